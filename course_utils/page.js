// What the widgets in the page share. `widgets.script` puts it before each of them.

// JupyterLab takes the keys of a control that has not this attribute itself; that its parent has it is not enough.
const KEYS = "data-lm-suppress-shortcuts";
const CONTROLS = ["button", "input", "select"];

function add(parent, tag, className, attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (CONTROLS.includes(tag)) node.setAttribute(KEYS, "true");
  parent.append(node);
  return node;
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
