const part = (tag, properties, ...inside) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
};

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

export default {
  render({ model, el }) {
    const [call, tell] = callOf(model);
    el.append(part("div", { className: "workbench-home" }, call));
    model.on("change:call", tell);
    let leave = () => {}, here = true;
    found(model.widget_manager, model.get("own_id")).then((whole) => { if (here) leave = present(whole, el); });
    return () => {
      here = false;
      leave();
      model.off("change:call", tell);
    };
  },
};
