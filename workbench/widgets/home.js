// The clipboard is closed to pages from another machine without HTTPS; what is selected can still be copied there.
const copied = async (code) => {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
};

const callOf = (model) => {
  const code = part("code"), said = part("span", { role: "status", style: "margin-left: 8px" });
  const button = part("button", { type: "button", textContent: "copy" });
  const summary = part("summary", { textContent: "Python call of what is shown" });
  const whole = part("details", {}, summary, part("pre", {}, code), button, said);
  const tell = () => {
    code.textContent = model.get("call");
    said.textContent = "";
    whole.hidden = !code.textContent;
  };
  button.addEventListener("click", async () => {
    said.textContent = (await copied(code)) ? "copied" : "selected: copy it with Ctrl+C";
  });
  tell();
  return [whole, tell];
};

const WIDTHS = { single: "one column, 85 mm", double: "two columns, 178 mm" };

const figuresOf = (model) => {
  const said = part("span", { role: "status", style: "margin-left: 8px" });
  const buttons = Object.entries(WIDTHS).map(([width, textContent]) => {
    const button = part("button", { type: "button", textContent, style: "margin-right: 8px" });
    button.addEventListener("click", () => {
      buttons.forEach((one) => { one.disabled = true; });
      said.textContent = "Drawing …";
      model.send({ kind: "paper", width });
    });
    return button;
  });
  const summary = part("summary", { textContent: "Figures for a paper: SVG and PDF, with their data" });
  const whole = part("details", {}, summary, part("div", { style: "margin: 6px 0" }, ...buttons, said));
  const tell = () => { whole.hidden = !model.get("figures").length; };
  const take = ({ kind, file, said: why }, buffers) => {
    if (kind !== "paper") return;
    buttons.forEach((one) => { one.disabled = false; });
    said.textContent = why ?? `${file}: ${model.get("figures").join(", ")}`;
    if (!file) return;
    const href = URL.createObjectURL(new Blob([buffers[0]], { type: "application/zip" }));
    part("a", { href, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  };
  tell();
  return [whole, tell, take];
};

// ipywidgets joins the words of a list's lines by blanks that don't break; those that indent a line stay.
const breaking = (box) => {
  const loosen = () => box.querySelectorAll("select[size] > option").forEach((option) => {
    const text = option.textContent.replace(/(?<=\S)\u00a0/g, " ");
    if (option.textContent !== text) option.textContent = text;
  });
  const watch = new MutationObserver(loosen);
  watch.observe(box, { childList: true, subtree: true });
  loosen();
  return () => watch.disconnect();
};

export default {
  initialize({ model }) {
    heard(model).catch(console.warn);
  },
  render({ model, el }) {
    const [call, tell] = callOf(model), [figures, offer, take] = figuresOf(model);
    el.append(part("div", { className: "workbench-home" }, call, figures));
    model.on("change:call", tell);
    model.on("change:figures", offer);
    model.on("msg:custom", take);
    let leave = () => {}, unwatch = () => {}, here = true;
    const settle = () => {
      if (el.parentElement) unwatch = breaking(el.parentElement);
      else if (here) requestAnimationFrame(settle);
    };
    settle();
    found(model.widget_manager, model.get("own_id")).then((whole) => { if (here) leave = present(whole, el); });
    return () => {
      here = false;
      leave();
      unwatch();
      model.off("change:call", tell);
      model.off("change:figures", offer);
      model.off("msg:custom", take);
    };
  },
};
