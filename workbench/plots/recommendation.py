"""Rankings of items for users: by strata, the parts of one user's scores, and what ranking pushes from the user."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.evaluation.recommending import INTENT, OWN, TAKEN, Recommendation
from workbench.plots import style
from workbench.plots.scores import check

STRATA = ("of", "stratum", "users", "recall@20", "from", "to")
SPLIT = 3  # taken items of a bar that are drawn apart


def ranking_strata(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw recall@20 by strata of users and of items, a colour an embedding.

    The tables, by name, are what `evaluation.ranking.strata` returned; none, or one without a column, is a UserError.
    """
    if not tables:
        raise UserError("there are no strata to draw; pass at least one table, by the name of its embedding")
    for table in tables.values():
        check(table, STRATA, "ranking_strata draws what evaluation.ranking.strata() returned")
    first = next(iter(tables.values()))
    labels = [style.plain(f"{row.stratum} ({row.users:,} users)") for row in first.itertuples()]
    subtitle = "means over users with held-out items in the stratum; bars: 95 % interval by the standard error"
    fig = style.figure("For whom, and of what, is the ranking good?", subtitle, 190 + 18 * len(labels) * len(tables))
    # Users and items stand apart, and embeddings below each other within a stratum.
    places = np.arange(len(labels)) + 0.6 * (first["of"] == "items").to_numpy()
    for index, (name, table) in enumerate(tables.items()):
        table = table.set_index("stratum").reindex(first["stratum"])
        at = places + (index - (len(tables) - 1) / 2) * 0.7 / len(tables)
        bars = style.interval(table["recall@20"], table["from"], table["to"])
        marker = {"size": 9, **style.class_marker(index)}
        hover = [f"{style.plain(name)}<br>{value:.1f} %" for value in table["recall@20"]]
        fig.add_trace(style.points((table["recall@20"], at), marker, hover, name=style.plain(name), error_x=bars))
    fig.update_traces(showlegend=len(tables) > 1)
    fig.update_yaxes(tickvals=places, ticktext=labels, range=[places[-1] + 0.6, -0.6], ticks="", showgrid=False)
    return fig.update_xaxes(title="recall@20, %", rangemode="tozero")


def recommendation_parts(found: Recommendation, names: style.Names = None) -> go.Figure:
    """Draw what each recommended item's score is the sum of, a bar an item; `names` are of the items.

    A bar has the user's own embedding, the three taken items that bring most, the other taken items together, and
    intents together where the method has any. Parts below 0 lie left of it. No items are a UserError.
    """
    if found.items.empty:
        raise UserError(f"nothing is recommended to user {found.user}: there is no item that the user did not take")
    held = dict(zip(found.items["item"], found.items["held_out"], strict=True))
    called = {item: f"item {item}" if names is None else str(names[item]) for item in held}
    rows = [style.plain(f"{rank}. {called[item]}{' ✓' * held[item]}") for rank, item in enumerate(held, 1)]
    parts = found.reasons
    order = parts.groupby(["item", "part"])["share"].rank(ascending=False, method="first")
    taken = parts["part"] == TAKEN
    groups = {"the user's own embedding": parts["part"] == OWN}
    groups |= {f"taken item no. {n}, by what it brings": taken & (order == n) for n in range(1, SPLIT + 1)}
    groups |= {"all other taken items": taken & (order > SPLIT), "intents": parts["part"] == INTENT}
    subtitle = f"user {found.user}; ✓: held out, so that the user did take it"
    fig = style.figure("What the scores are made of", subtitle, 220 + 24 * len(rows))
    colours = (style.GREY, *style.COLOURS[:SPLIT], style.FAINT, style.COLOURS[6])
    for (name, mine), colour in zip(groups.items(), colours, strict=True):
        if not mine.any():
            continue
        by_item = parts[mine].groupby("item")
        sums, first = by_item["share"].sum().reindex([*held]).fillna(0.0), by_item["number"].first().reindex([*held])
        which = [f": item {number:.0f}" if " no. " in name else "" for number in first.fillna(-1)]
        hover = [f"{row}<br>{name}{item}<br>{x:+.3f}" for row, item, x in zip(rows, which, sums, strict=True)]
        look = {"marker": {"color": colour, "line": {"width": 0.5, "color": style.PAPER}}, "showlegend": True}
        fig.add_bar(y=rows, x=sums, orientation="h", name=name, hovertext=hover, hoverinfo="text", **look)
    fig.update_layout(barmode="relative", legend={"orientation": "h", "y": -0.2, "x": 0}, bargap=0.3)
    fig.update_yaxes(autorange="reversed", ticks="", showgrid=False)
    return fig.update_xaxes(title="share of the score (dot product, no unit)")


def user_negatives(table: pd.DataFrame, user: int) -> go.Figure:
    """Draw how strongly ranking pushes each item that a user did not take, by its score; held-out ones stand out.

    The table is what `workbench.user_negatives` returned for the user; a UserError says which column it lacks.
    """
    check(table, ("item", "score", "push", "held_out"), "user_negatives draws what wb.user_negatives() returned")
    share = 100 * table.loc[table["held_out"], "push"].sum() / table["push"].sum()
    subtitle = (
        f"user {user}: {len(table):,} items that were not taken in training, each drawn as often; "
        f"{int(table['held_out'].sum())} false negatives bear {share:.1f} % of the push"
    )
    fig = style.figure("Whom ranking pushes away", subtitle, 400)
    looks = {"not taken": (style.FAINT, "circle", 6, style.MUTED)}
    looks["held out: taken after all, a false negative"] = (style.COLOURS[5], "diamond", 10, style.INK)
    for held, (name, (colour, symbol, size, line)) in enumerate(looks.items()):
        mine = table[table["held_out"] == bool(held)]
        hover = [f"item {row.item}<br>score {row.score:.3f}<br>push {row.push:.3f}" for row in mine.itertuples()]
        marker = {"color": colour, "symbol": symbol, "size": size, "line": {"width": 0.6, "color": line}}
        at = mine["score"], mine["push"]
        fig.add_trace(style.points(at, marker, hover, mine["item"], name=name, showlegend=True))
    fig.update_layout(legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0}, margin={"b": 90})
    fig.update_yaxes(title="push, mean sigmoid (no unit)", range=[-0.03, 1.03])
    return fig.update_xaxes(title="score of the item (dot product, no unit)")
