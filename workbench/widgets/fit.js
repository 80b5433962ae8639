// What is typed into a field in which a node is looked for replaces what stands there.
const chosen = ({ target }) => target.closest?.(".workbench-search") && setTimeout(() => target.select?.());

// The titles of folded sections listen to the mouse alone.
const title = ".jupyter-widget-Collapse-header";
const reach = () => document.querySelectorAll(`${title}:not([role])`).forEach((one) => {
  one.tabIndex = 0;
  one.setAttribute("role", "button");
});
const pressed = (event) => {
  if (event.target.matches?.(title) && ["Enter", " "].includes(event.key)) {
    event.preventDefault();
    event.target.click();
  }
};

// One of each for the whole page, whose widgets come and go.
globalThis.workbenchKeys ??= [["focusin", chosen], ["click", chosen], ["focusin", reach], ["keydown", pressed]]
  .map(([name, act]) => document.addEventListener(name, act));

const ours = () => [...document.querySelectorAll(".js-plotly-plot")].filter((plot) => plot.layout?.meta?.workbench);
const NARROW = 480;  // pixels of a page, as on a telephone; figures that stand side by side on a wide one have less

export default {
  render({ model, el }) {
    const ending = new AbortController(), { signal } = ending;
    const resize = () => {
      // plotly holds a figure to the width that it had when it was given another height.
      ours().forEach((plot) => delete plot.layout.width);
      window.dispatchEvent(new Event("resize"));
    };
    const fit = () => {
      const { clientWidth } = el.closest(".jp-OutputArea-output") ?? document.body;
      if (clientWidth) {
        model.set("narrow", clientWidth < NARROW);
        model.save_changes();
      }
      requestAnimationFrame(resize);
    };
    const room = new ResizeObserver(fit);
    room.observe(el);
    const again = () => setTimeout(fit, 500);
    model.on("msg:custom", again);

    // plotly tells the kernel of each point the mouse passes over, in the place where it tells of clicks and
    // selections, so that one that comes while the kernel is busy would be lost under the next. None is needed.
    const hush = (plot) => plot?.layout?.meta?.workbench
      && ["plotly_hover", "plotly_unhover"].forEach((name) => plot.removeAllListeners(name));
    document.querySelectorAll(".js-plotly-plot").forEach(hush);
    const drawn = ({ detail }) => { fit(); hush(detail.element); };
    document.addEventListener("plotlywidget-after-render", drawn, { signal });

    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const look = () => {
      const light = document.body.dataset.jpThemeLight;
      model.set("dark", light ? light === "false" : system.matches);
      model.save_changes();
    };
    const theme = new MutationObserver(look);
    theme.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    system.addEventListener("change", look, { signal });
    look();
    return () => {
      room.disconnect();
      model.off("msg:custom", again);
      theme.disconnect();
      ending.abort();
    };
  },
};
