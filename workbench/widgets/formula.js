const make = (parent, tag, name, more = {}) => {
  const made = parent.appendChild(Object.assign(document.createElement(tag), more));
  made.className = name;
  return made;
};
const MOST = 8;
let count = 0;

export default () => {
  let edits = 0;
  return {
    initialize({ model }) { edits = model.get("seen"); },
    render({ model, el }) {
      const id = `workbench-formula-${count++}`;
      el.classList.add("workbench-formula");
      el.dataset.lmSuppressShortcuts = "true";
      const first = make(el, "div", "workbench-formula-line widget-textarea");
      make(first, "label", "widget-label", { textContent: "formula", htmlFor: id });
      const within = make(first, "div", "workbench-formula-within");
      const field = make(within, "textarea", "", { id, rows: 2, spellcheck: false, autocomplete: "off" });
      const list = make(within, "ul", "workbench-formula-words", { id: `${id}-words`, hidden: true });
      const roles = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id };
      Object.entries(roles).forEach(([name, value]) => field.setAttribute(name, value));
      list.setAttribute("role", "listbox");
      const second = make(el, "div", "workbench-formula-line workbench-formula-examples");
      make(second, "span", "widget-label", { textContent: "examples" });
      const third = make(el, "div", "workbench-formula-line");
      make(third, "label", "widget-label", { textContent: "threshold", htmlFor: `${id}-slider` });
      const slider = make(third, "input", "", { id: `${id}-slider`, type: "range" });
      const readout = make(third, "output", "workbench-formula-readout");
      const told = make(third, "span", "workbench-formula-told");
      let now = null;  // the number that the slider moves, in the text that is in the field

      const say = (text, moved = false, whole = false) => {
        edits = Math.max(edits, model.get("seen")) + 1;
        model.set("typed", { text, edit: edits, moved, whole, revision: model.get("revision") });
        model.save_changes();
      };
      const aim = () => {
        const answer = model.get("threshold");
        if (now?.of !== field.value) now = answer.of === field.value ? answer : null;
        const movable = now?.number !== undefined;
        slider.disabled = !movable;
        readout.textContent = movable ? now.number : "";
        told.textContent = now && !movable ? "the formula compares with no number that could be moved" : "";
        if (!movable) return;
        [slider.min, slider.max, slider.step] = [now.min, now.max, now.step];
        slider.value = now.number;
        slider.setAttribute("aria-valuetext", now.number);
        told.append("the number that ");
        make(told, "code", "", { textContent: now.side });
        told.append(" is compared with");
      };
      const follow = () => {
        if (model.get("seen") >= edits && field.value !== model.get("value")) {
          field.value = model.get("value");
          close();
        }
        aim();
      };
      const write = (text, whole = false) => {
        field.value = text;
        say(text, false, whole);
        aim();
      };

      let offered = [], active = -1;
      const close = () => {
        [offered, active, list.hidden] = [[], -1, true];
        field.setAttribute("aria-expanded", "false");
        field.removeAttribute("aria-activedescendant");
      };
      const fragment = () => {
        const before = field.value.slice(0, field.selectionStart), quotes = before.split('"');
        if (quotes.length % 2 == 0) return { quoted: true, text: quotes.at(-1) };
        return { quoted: false, text: before.match(/(?<![\w.])[A-Za-z][\w-]*$/)?.[0] ?? "" };
      };
      const point = (place) => {
        active = place;
        [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i == place));
        field.setAttribute("aria-activedescendant", place < 0 ? "" : `${id}-word-${place}`);
      };
      const take = ([text]) => {
        const { quoted, text: begun } = fragment(), end = field.selectionStart, start = end - begun.length;
        const after = field.value.slice(end);
        const bound = field.value.slice(0, start).match(/(?:forall|exists|[∀∃])\s*(\w+)\s*(?:in|∈)[^:]*:[^:]*$/i);
        if (quoted) text += after.startsWith('"') ? "" : '")';
        else if (after.startsWith("(")) text = text.split("(")[0];
        else if (bound) text = text.replace(/\(v(?=[,)])/, `(${bound[1]}`);  // a quantifier speaks of its own node
        write(field.value.slice(0, start) + text + after);
        const inner = quoted ? null : text.match(/\((.*)\)$/);  // what one will want to change
        const from = inner ? start + text.length - 1 - inner[1].length : start + text.length;
        field.setSelectionRange(from, inner ? start + text.length - 1 : from);
        field.focus();
        text.endsWith('"') && !quoted ? suggest() : close();
      };
      const suggest = () => {
        close();
        const { quoted, text } = fragment(), begun = text.toLowerCase();
        if ((!quoted && !begun) || /^\w/.test(field.value.slice(field.selectionStart))) return;
        const named = field.value.trim() === text ? model.get("rules") : [];  // a formula by themselves
        const all = quoted ? model.get("names").map((name) => [name, ""]) : [...model.get("words"), ...named];
        const known = all.filter(([word]) => word.toLowerCase()[quoted ? "includes" : "startsWith"](begun));
        if (!known.length || (known.length == 1 && known[0][0].trim() === text)) return;
        offered = known.slice(0, MOST);
        list.replaceChildren();
        offered.forEach((word, place) => {
          const item = make(list, "li", "", { id: `${id}-word-${place}` });
          item.setAttribute("role", "option");
          make(item, "code", "", { textContent: word[0] });
          make(item, "span", "", { textContent: word[1] });
          item.addEventListener("mousedown", (event) => { event.preventDefault(); take(word); });
        });
        if (known.length > MOST) make(list, "div", "", { textContent: `… ${known.length - MOST} more` });
        list.hidden = false;
        field.setAttribute("aria-expanded", "true");
      };

      field.addEventListener("input", () => { say(field.value); aim(); suggest(); });
      field.addEventListener("blur", close);
      field.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (list.hidden) return;
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) point((active + step + offered.length + (active < 0 && step < 0)) % offered.length);
        else if (event.key == "Escape") close();
        else if (["Enter", "Tab"].includes(event.key) && active >= 0) take(offered[active]);
        else return;
        event.preventDefault();
      });
      slider.addEventListener("keydown", (event) => event.stopPropagation());
      slider.addEventListener("input", () => {
        const number = String(Number(Number(slider.value).toFixed(Math.max(now.digits, 0))));
        now = { ...now, number, of: now.before + number + now.after };
        field.value = now.of;
        say(now.of, true);
        aim();
      });
      for (const text of model.get("examples")) {
        make(second, "button", "", { type: "button", textContent: text }).onclick = () => write(text, true);
      }
      field.value = model.get("value");
      close();
      aim();
      const heard = ["change:value", "change:seen", "change:threshold"];
      heard.forEach((name) => model.on(name, follow));
      return () => heard.forEach((name) => model.off(name, follow));
    },
  };
};
