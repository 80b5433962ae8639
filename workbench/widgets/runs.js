// A table of runs that sorts, filters and ticks by itself; the kernel hears of what is ticked alone.
const make = (parent, tag, properties = {}) =>
  parent.appendChild(Object.assign(document.createElement(tag), properties));
const SVG = "http://www.w3.org/2000/svg", NUMBER = "workbench-runs-number";

const sparkline = (parent, points, about) => {
  if (!points) return;
  const svg = parent.appendChild(document.createElementNS(SVG, "svg"));
  const line = svg.appendChild(document.createElementNS(SVG, "polyline"));
  svg.appendChild(document.createElementNS(SVG, "title")).textContent = about;
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", about);
  line.setAttribute("points", points);
};

const before = (one, other) => {
  if (one === null || other === null) return (one === null) - (other === null);
  return typeof one == "number" ? one - other : one.localeCompare(other, undefined, { numeric: true });
};

export default {
  render({ model, el }) {
    const whole = make(el, "div", { className: "workbench-runs" });
    const line = make(whole, "div", { className: "workbench-runs-line" });
    const filter = make(make(line, "label", { textContent: "filter " }), "input", { type: "search" });
    filter.placeholder = "words of any column";
    const more = make(line, "label"), all = make(more, "input", { type: "checkbox" });
    const shown = make(line, "span", { role: "status" });
    const table = make(make(whole, "div", { className: "workbench-runs-box" }), "table");
    const head = make(make(table, "thead"), "tr"), body = make(table, "tbody");
    let by = -1, down = false;

    const fill = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean), ticked = new Set(model.get("ticked"));
      const rows = model.get("rows"), untrained = rows.filter((row) => row.baseline).length;
      const text = (row) => row.shown.join(" ").toLowerCase();
      let kept = rows.filter((row) => all.checked || !row.baseline || ticked.has(row.folder));
      kept = kept.filter((row) => words.every((word) => text(row).includes(word)));
      if (by >= 0) kept.sort((one, other) => before(one.values[by], other.values[by]) * (down ? -1 : 1));
      more.hidden = !untrained;
      more.replaceChildren(all, ` baselines (${untrained})`);
      shown.textContent = `${kept.length} of ${rows.length} runs`;
      body.replaceChildren();
      for (const row of kept) {
        const tr = make(body, "tr"), tick = make(make(tr, "td"), "input", { type: "checkbox" });
        tick.checked = ticked.has(row.folder);
        tick.setAttribute("aria-label", `compare ${row.shown.slice(0, 4).join(" ")}`);
        tick.addEventListener("change", () => {
          const others = model.get("ticked").filter((folder) => folder != row.folder);
          model.set("ticked", tick.checked ? [...others, row.folder] : others);
          model.save_changes();
        });
        row.shown.forEach((word, place) => {
          const number = typeof row.values[place] == "number";
          const td = make(tr, "td", { textContent: word, title: word });
          td.className = number ? NUMBER : "";
          td.dataset.head = model.get("columns")[place];
        });
        sparkline(make(tr, "td"), row.line, row.about);
      }
    };

    make(head, "th", { textContent: "" }).setAttribute("aria-label", "tick two to compare them");
    const names = [];
    model.get("columns").forEach((name, place) => {
      const th = make(head, "th"), button = make(th, "button", { type: "button", textContent: name });
      names.push(th);
      th.className = model.get("rows").some((row) => typeof row.values[place] == "number") ? NUMBER : "";
      button.addEventListener("click", () => {
        [by, down] = [place, by == place && !down];
        names.forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        fill();
      });
    });
    make(head, "th", { textContent: "loss" });
    [filter, all].forEach((control) => control.addEventListener("input", fill));
    whole.addEventListener("keydown", (event) => event.stopPropagation());
    el.dataset.lmSuppressShortcuts = "true";
    fill();
    const ticks = () => {
      const ticked = new Set(model.get("ticked"));
      const drawn = [...body.querySelectorAll("input:checked")].length;
      if (drawn != ticked.size) fill();
    };
    model.on("change:rows", fill);
    model.on("change:ticked", ticks);
    return () => {
      model.off("change:rows", fill);
      model.off("change:ticked", ticks);
    };
  },
};
