// Says on a widget, whose box holds the element, that its kernel is busy or gone. The line takes no room, so that nothing
// moves when it comes, and stays in sight where the widget is higher than the window.
const BUSY = "The kernel is busy; what you do now is done when it is free.";
const GONE = "This widget's kernel is gone; run its cell again.";
const ENDED = ["dead", "terminating", "restarting", "autorestarting"];

const present = (whole, el) => {
  const kernel = whole.widget_manager.kernel, words = document.createElement("span");
  const line = Object.assign(document.createElement("div"), { className: "workbench-kernel" });
  line.setAttribute("role", "status");
  line.append(words);
  const waiting = new Set();
  let timer, ended = false;

  const show = (text) => {
    const box = el.parentElement;
    if (!box) return;
    if (box.firstElementChild !== line) box.prepend(line);
    words.textContent = text;
    line.hidden = !text;
    box.classList.toggle("workbench-gone", text === GONE);
    for (const part of box.children) part.inert = text === GONE && part !== line && part !== el;
  };
  const look = () => {
    clearTimeout(timer);
    ended ||= whole.comm_live === false || kernel?.isDisposed || ENDED.includes(kernel?.status);
    if (ended || kernel?.connectionStatus === "disconnected") show(GONE);
    else if (!waiting.size) timer = setTimeout(() => show(""), 300);
    else if (words.textContent) show(BUSY);
    else timer = setTimeout(() => show(BUSY), 1500);
  };
  // A kernel may do what widgets ask for beside what cells ask for, and then says that it is idle while a cell runs.
  const apart = () => kernel.supportsSubshells && kernel.commsOverSubshells !== "disabled";
  const hear = (_, { direction, msg: { header, parent_header, content } }) => {
    const before = waiting.size, kind = header.msg_type;
    if (direction === "recv") {
      if (kind === "status" && content.execution_state === "idle") waiting.delete(parent_header.msg_id);
    } else if (kind === "comm_msg" || (kind === "execute_request" && !apart())) {
      waiting.add(header.msg_id);
    }
    if (!before !== !waiting.size) look();
  };

  const signals = [kernel?.statusChanged, kernel?.connectionStatusChanged, kernel?.disposed].filter(Boolean);
  signals.forEach((signal) => signal.connect(look));
  kernel?.anyMessage?.connect(hear);
  whole.on("comm_live_update", look);
  look();
  return () => {
    clearTimeout(timer);
    signals.forEach((signal) => signal.disconnect(look));
    kernel?.anyMessage?.disconnect(hear);
    whole.off("comm_live_update", look);
    line.remove();
  };
};
