// What the widgets in the page share; `Widget` puts it before the script of each.

const NO_ANSWER = "No answer yet. The kernel is busy, or it was restarted: then run the cell again.";
const GONE = "The kernel that answered here is gone: run the cell again.";

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
    const at = all.indexOf(focused);
    const near = [...all.slice(0, Math.max(0, at)).reverse(), ...all.slice(at + 1)];
    const one = near.find((other) => !off(other) && other.tabIndex >= 0);
    if (one?.type !== "radio") return one;
    return all.find((other) => other.name === one.name && other.checked && !off(other)) ?? one;
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
  const root = add(el, "div", `course-widget ${className}`);
  guard(root);
  return root;
}

function add(parent, tag, className = "", attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  return put(parent, node, attributes, text);
}

// As `add`, of an SVG: svg(plot, "circle", { class: "evolution-own", cx: 3, cy: 4, r: 3 }).
function svg(parent, tag, attributes = {}, text = "") {
  return put(parent, document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, text);
}

function put(parent, node, attributes, text) {
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function button(parent, text, act, className = "", attributes = {}) {
  const node = add(parent, "button", className, { type: "button", ...attributes }, text);
  node.addEventListener("click", act);
  return node;
}

// A list to choose from, with its name before it; `act(value)`.
function choice(parent, name, options, act) {
  const row = add(parent, "label", "course-choice");
  add(row, "span", "", {}, name);
  const select = add(row, "select", "", { "aria-label": name });
  options.forEach((option) => add(select, "option", "", { value: option }, option));
  select.addEventListener("change", () => act(select.value));
  return select;
}

// A slider between its name and what it stands at; `act(number)`.
function slider(parent, name, { min = 0, max, step = 1 }, act) {
  const row = add(parent, "label", "course-slider");
  add(row, "span", "", {}, name);
  const input = add(row, "input", "", { type: "range", min, max, step, "aria-label": name });
  input.addEventListener("input", () => act(Number(input.value)));
  const output = add(row, "output");
  const set = (value, text = String(value), spoken = text) => {
    input.value = value;
    output.textContent = text;
    input.setAttribute("aria-valuetext", spoken);
  };
  return { row, input, output, set };
}

// The line that says how things stand, which a screen reader reads out.
function status(parent, className = "course-status") {
  return add(parent, "div", className, { role: "status", "aria-live": "polite" });
}

// A chart as wide as its place, drawn anew when that changes: `fill(svg, width)`. Its words are for `aria-label`.
function chart(parent, className, height, fill) {
  const node = add(parent, "div", `course-plot ${className}`, { role: "img" });
  node.style.minHeight = `${height}px`;
  const draw = () => {
    const width = node.clientWidth;
    node.replaceChildren();
    if (width) fill(svg(node, "svg", { width, height, "aria-hidden": "true" }), width);
  };
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  return { node, draw, end: () => watch.disconnect() };
}

// The bytes of a buffer from the kernel: a DataView in JupyterLab, a Uint8Array in Colab, an ArrayBuffer elsewhere.
function bytesOf(buffer) {
  const { buffer: whole = buffer, byteOffset, byteLength } = buffer;
  return new Uint8Array(whole, byteOffset, byteLength);
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
// error of another's; `late(text)` is called if none comes within 5 s, or if there is no kernel any more.
function conversation(next, heard, late) {
  const page = Math.random();
  let waiting = null;
  let send = null;

  function rest() {
    clearTimeout(waiting);
    waiting = null;
  }

  function fail(text) {
    rest();
    late(text);
  }

  function ask() {
    const question = waiting ? null : next();
    if (!question) return;
    waiting = setTimeout(() => fail(NO_ANSWER), 5000);
    try {
      send({ page, ...question });
    } catch {
      fail(GONE);
    }
  }

  function hear(message, buffers) {
    const mine = message.page === page;
    if (message.error && !mine) return;
    if (mine) rest();
    heard(message, buffers, mine);
  }

  function initialize({ model }) {
    send = (message) => model.send(message);
    model.on("msg:custom", hear);
    ask();
    return () => {
      rest();
      model.off("msg:custom", hear);
    };
  }

  return { ask, initialize };
}

// What all views of a widget share: the last answer in `now`, `trouble` in words, and the `wishes` of the learner,
// which the kernel gets one by one. `keep(message, buffers, mine)` gives what to hold of an answer, `idle()` a question
// when there is no wish; `failed(text)` hears of an error and of a silent kernel, `closed()` of the last view's end.
function shared({ keep, idle = () => null, failed = () => {}, closed = () => {} }) {
  const views = new Set();
  const me = { now: null, trouble: "", wishes: [{ do: "show" }], want, draw, say, view };
  const { ask, initialize } = conversation(() => me.wishes.shift() ?? idle(), hear, fail);

  function want(wish) {
    me.wishes.push(wish);
    ask();
  }

  function draw() {
    views.forEach((one) => one());
  }

  function fail(text) {
    me.trouble = text;
    failed(text);
    draw();
  }

  function hear(message, buffers, mine) {
    if (mine) me.trouble = message.error ?? "";
    if (message.error) failed(message.error);
    else me.now = keep(message, buffers, mine);
    requestAnimationFrame(() => {
      draw();
      ask();
    });
  }

  // Trouble, or else `text()`, in the line for it.
  function say(line, text) {
    const words = me.trouble || (me.now ? text() : "Waiting for the kernel.");
    line.classList.toggle("course-trouble", Boolean(me.trouble));
    if (line.textContent !== words) line.textContent = words;
  }

  // A view that `show()` draws, from now until the function is called that this returns, and that calls `end()`.
  function view(show, end = () => {}) {
    views.add(show);
    show();
    return () => {
      end();
      views.delete(show);
      if (!views.size) closed();
    };
  }

  return Object.assign(me, { ask, fail, initialize });
}
