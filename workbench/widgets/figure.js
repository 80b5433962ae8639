const KINDS = ["addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
               "removeLayoutProps", "removeTraceProps"];
const CHANGES = KINDS.map((kind) => `_py2js_${kind}`);
const KEPT = ["_widget_layout", "_widget_data"];
const SECOND = 1000, ATTEMPTS = 3;
const loaded = (globalThis.workbenchPlotly ??= {});

const load = async (model, id) => {
  const plotly = await found(model.widget_manager, id);
  const address = URL.createObjectURL(new Blob([plotly.get("code")], { type: "text/javascript" }));
  return (await import(address)).default;
};

const say = (el, words, act) => {
  const line = Object.assign(document.createElement("div"), { className: "workbench-figure-says", textContent: words });
  line.setAttribute("role", "status");
  if (act) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Draw again" });
    button.addEventListener("click", act);
    line.append(" ", button);
  }
  el.replaceChildren(line);
};

export default () => {
  const views = new Set();
  let model, drawn, opening, round = 0;
  // plotly lets a view listen by the model that it was made with, and so forever: a view that is gone draws into nothing.
  const by = (model) => ({
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
    on: (name, act) => (opening ?? model).on(name, act),
  });

  const start = () => {
    const missed = [], id = model.get("plotly").replace("IPY_MODEL_", "");
    const mine = ++round;
    let waiting = true;
    const keep = (name) => waiting && model.get(name) && missed.push([name, model.get(name)]);
    CHANGES.forEach((name) => model.on(`change:${name}`, () => keep(name)));
    // What was missed before the kernel kept the figure is in what it kept; traces that are added twice are others.
    KEPT.forEach((name) => model.on(`change:${name}`, () => waiting && missed.splice(0)));
    model.on("msg:custom", ({ kind }) => kind === "anew" && again());
    const now = (loaded[id] ??= load(model, id)).then((make) => {
      if (mine !== round) return drawn;  // what was missed then is in what came anew
      const figure = make();
      waiting = false;
      figure.initialize({ model: by(model) });
      for (const [name, value] of missed) {
        model.set(name, value);
        model.set(name, null);
      }
      return figure;
    });
    now.catch(() => delete loaded[id]);
    drawn = now;
  };

  const again = () => {
    model.off();
    start();
    return Promise.all([...views].map((view) => view.draw()));
  };

  // What the kernel tells meanwhile may have got lost with what went wrong, so it is asked for, too.
  const byHand = () => {
    model.send({ kind: "anew" });
    return again();
  };

  return {
    initialize({ model: given }) {
      model = given;
      start();
      heard(model).then(() => model.send({ kind: "hello" }), console.warn);
    },
    render(context) {
      const { el } = context, view = {};
      let turn = 0, left = ATTEMPTS, take = () => {}, timer;
      const empty = () => !el.querySelector(".main-svg") || el.data?.length !== model.get("_widget_data").length;
      const seen = () => el.isConnected && el.getClientRects().length > 0;
      const failed = (why) => say(el, `This figure could not be drawn${why}.`, () => { left = ATTEMPTS; byHand(); });
      const check = () => {
        clearTimeout(timer);
        if (!seen()) {
          timer = setTimeout(check, 2 * SECOND);
        } else if (empty()) {
          left -= 1;
          left > 0 ? again() : failed("");
        }
      };
      const watch = () => {
        clearTimeout(timer);
        timer = setTimeout(check, 4 * SECOND);
      };
      view.draw = async () => {
        const now = ++turn;
        clearTimeout(timer);
        context.model.off();
        take();
        take = () => {};
        const slow = setTimeout(() => say(el, "The code of the figures is being loaded …"), 1.5 * SECOND);
        try {
          const figure = await drawn;
          if (now !== turn) return;
          el.replaceChildren();
          try {
            opening = context.model;
            take = figure.render(context);
          } finally {
            opening = null;
          }
          CHANGES.forEach((name) => context.model.on(`change:${name}`, watch));
          watch();
        } catch (error) {
          if (now === turn) failed(` (${error.message})`);
        } finally {
          clearTimeout(slow);
        }
      };
      views.add(view);
      view.draw();
      return () => {
        turn += 1;
        clearTimeout(timer);
        views.delete(view);
        context.model.off();
        take();
      };
    },
  };
};
