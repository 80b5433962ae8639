"""The grammar of the rule language, for lark, and the words that its signs stand for."""

KEYWORDS = ("forall", "exists", "in", "for", "if", "and", "or", "not", "implies", "iff", "true", "false")
GRAMMAR = r"""
?start: iff
?iff: implies | iff IFF implies -> binary
?implies: or | or IMPLIES implies -> binary
?or: and | or OR and -> binary
?and: not | and AND not -> binary
?not: NOT not -> unary | quantifier | comparison
quantifier: (FORALL | EXISTS) NAME _IN domain ":" iff
?comparison: sum | sum COMPARE sum -> compare
?sum: product | sum (PLUS | MINUS) product -> binary
?product: signed | product (TIMES | DIVIDE) signed -> binary
?signed: MINUS signed -> unary | power
?power: primary | primary POWER signed -> binary
?primary: NUMBER -> number | (TRUE | FALSE) -> truth | STRING -> text | NAME -> variable | call | "(" iff ")"
?call: NAME "(" [iff ("," iff)*] ")" -> call
    | NAME "(" iff _FOR NAME _IN domain [_IF iff] ")" -> aggregate
    | NAME "(" NAME _IN domain [_IF iff] ")" -> count
domain: NAME ["(" NAME ")"]

FORALL.2: /forall\b|∀/i
EXISTS.2: /exists\b|∃/i
_IN.2: /in\b|∈/i
_FOR.2: /for\b/i
_IF.2: /if\b/i
TRUE.2: /true\b/i
FALSE.2: /false\b/i
AND.2: /and\b|∧|&&?/i
OR.2: /or\b|∨|\|\|?/i
NOT.2: /not\b|¬/i
IFF.3: /iff\b|↔|⇔|<->|<=>/i
IMPLIES.3: /implies\b|→|⇒|->|=>/i
COMPARE.2: /<=|>=|!=|==|≤|≥|≠|<|>|=/
POWER.3: /\*\*|\^/
PLUS: "+"
MINUS: /-|−/
TIMES: /\*|·|×/
DIVIDE: /\/|÷/
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?/i
STRING: /"[^"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*"/
NAME: /(?!(?i:KEYWORDS)\b)[A-Za-z][A-Za-z0-9_]*/
%ignore /\s+/
""".replace("KEYWORDS", "|".join(KEYWORDS))
COMPARE = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!="}
OPERATOR = {"AND": "and", "OR": "or", "NOT": "not", "IFF": "iff", "IMPLIES": "implies", "PLUS": "+", "MINUS": "-"}
OPERATOR |= {"TIMES": "*", "DIVIDE": "/", "POWER": "^", "FORALL": "forall", "EXISTS": "exists"}
