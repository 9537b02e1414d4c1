// What the widgets in the page share. `widgets.script` puts it before each of them.

// JupyterLab takes the keys of a control that has not this attribute itself; that its parent has it is not enough.
const KEYS = "data-lm-suppress-shortcuts";
const CONTROLS = "a[href], button, input, select, summary, textarea, [contenteditable], [tabindex]";

// Keys that are pressed in `root` are for its controls, whoever made them and when. A control that is taken away,
// switched off or hidden while it has the focus hands it on: to the first one, to its neighbour, or else to `root`.
function guard(root) {
  let focused = null;
  const off = (one) => !one.isConnected || one.disabled || Boolean(one.closest("[hidden]"));

  function heir() {
    const all = [...root.querySelectorAll(CONTROLS)];
    const [before, after] = [all.slice(0, Math.max(0, all.indexOf(focused))).reverse(), all.slice(all.indexOf(focused) + 1)];
    const one = [...before, ...after].find((other) => !off(other) && other.tabIndex >= 0);
    return one?.type === "radio" ? (all.find((other) => other.name === one.name && other.checked && !off(other)) ?? one) : one;
  }

  function mend() {
    for (const one of [root, ...root.querySelectorAll(CONTROLS)]) one.setAttribute(KEYS, "true");
    if (!focused || !off(focused)) return;
    const one = heir() ?? root;
    if (one === root) {
      root.tabIndex = -1;
      root.addEventListener("blur", () => root.removeAttribute("tabindex"), { once: true });
    }
    one.focus({ preventScroll: true });
  }

  root.addEventListener("focusin", ({ target }) => (focused = target));
  root.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (relatedTarget) focused = null;
    else queueMicrotask(() => target === focused && !off(target) && (focused = null)); // once it is gone, if it goes
  });
  new MutationObserver(mend).observe(root, { childList: true, subtree: true, attributeFilter: ["disabled", "hidden"] });
  mend();
}

// The element that holds a widget.
function panel(el, className) {
  const root = add(el, "div", className);
  guard(root);
  return root;
}

function add(parent, tag, className, attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

// The bytes of a buffer from the kernel: a DataView in JupyterLab, a Uint8Array in Colab, an ArrayBuffer elsewhere.
function bytesOf(buffer) {
  return ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
}

function floatsOf(buffer) {
  return new Float32Array(bytesOf(buffer).slice().buffer); // a copy, which begins where a number may begin
}

// Fill a canvas with pixels, one byte a channel, grey or colour.
function paint(canvas, bytes, [channels, height, width]) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = bytes[channels * i + (c % channels)];
    picture.data[4 * i + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
}

// A conversation with the kernel, one question at a time. `next` gives the next question, if there is one;
// `heard(message, buffers, mine)` takes in an answer, to this page or to another one that shows the same widget, but no
// error of another's; `late()` is called if none comes within 5 s.
function conversation(next, heard, late) {
  const page = Math.random();
  let waiting = null;
  let send = null;

  function ask() {
    const question = waiting ? null : next();
    if (!question) return;
    waiting = setTimeout(() => {
      waiting = null;
      late();
    }, 5000);
    send({ page, ...question });
  }

  function hear(message, buffers) {
    const mine = message.page === page;
    if (message.error && !mine) return;
    if (mine) {
      clearTimeout(waiting);
      waiting = null;
    }
    heard(message, buffers, mine);
  }

  function initialize({ model }) {
    send = (message) => model.send(message);
    model.on("msg:custom", hear);
    ask();
    return () => {
      clearTimeout(waiting);
      model.off("msg:custom", hear);
    };
  }

  return { ask, initialize };
}
