const PART = 4 * 2 ** 20;  // bytes; servers refuse messages of ten megabytes, and close the connection without a word

const size = (bytes) => (bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`);

export default {
  initialize({ model }) {
    heard(model).catch(console.warn);
  },
  render({ model, el }) {
    const input = part("input", { type: "file", hidden: true });
    const button = part("button", { type: "button", className: "jupyter-button widget-button lm-Widget" });
    const said = part("span", { className: "workbench-upload-says" });
    said.setAttribute("role", "status");
    let file = null;
    const say = (words) => {
      button.disabled = file !== null;
      button.textContent = "upload";
      said.textContent = words;
    };
    const send = async (at) => {
      const bytes = await file.slice(at, at + PART).arrayBuffer();
      model.send({ kind: "part", name: file.name, at, size: file.size }, undefined, [bytes]);
      say(`${size(at)} of ${size(file.size)}`);
    };
    const start = (given) => {
      if (!given || file) return;
      file = given;
      send(0).catch((error) => end(`${given.name} could not be read (${error.message})`));
    };
    const end = (words) => {
      file = null;
      input.value = "";  // so that the same file can be chosen again
      say(words);
    };
    const hear = ({ kind, at, why }) => {
      if (!file) return;  // it is another view's
      if (kind === "failed") end(why);
      else if (kind === "have" && at < file.size) send(at).catch((error) => end(error.message));
      else if (kind === "have") end(`${file.name}, ${size(file.size)}`);
    };
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => start(input.files[0]));
    el.addEventListener("dragover", (event) => event.preventDefault());
    el.addEventListener("drop", (event) => {
      event.preventDefault();
      start(event.dataTransfer.files[0]);
    });
    model.on("msg:custom", hear);
    el.append(button, input, said);
    say("or drop it here");
    return () => model.off("msg:custom", hear);
  },
};
