// The pad in the page. It sends the pen's path to the kernel and shows what comes back: the confidence of each class
// and the image that the network saw. What is drawn while a question is on its way goes with the next.

function build(el, side, classes) {
  const root = panel(el, "drawing-pad");
  const left = add(root, "div", "drawing-pad-left");
  const label = "Drawing area. Draw a digit with mouse, pen or finger; the confidences beside it follow.";
  const size = { width: 2 * side, height: 2 * side, role: "img", "aria-label": label };
  const canvas = add(left, "canvas", "drawing-pad-canvas", size);
  const buttons = add(left, "div", "drawing-pad-buttons");
  const right = add(root, "div", "drawing-pad-right");
  const readout = status(right, "drawing-pad-readout");
  const answer = add(right, "div", "drawing-pad-answer");
  const bars = add(answer, "div", "drawing-pad-bars", { role: "list", "aria-label": "confidence of each class" });
  const rows = Array.from({ length: classes }, (_, k) => {
    const row = add(bars, "div", "drawing-pad-row", { role: "listitem" });
    add(row, "span", "drawing-pad-class", {}, k);
    const bar = add(add(row, "span", "drawing-pad-track"), "span", "drawing-pad-bar");
    return { row, bar, text: add(row, "span", "drawing-pad-text") };
  });
  const figure = add(answer, "figure", "drawing-pad-seen");
  const what = "The 28 by 28 pixels that the network sees";
  const seen = add(figure, "canvas", "course-pixels", { width: 28, height: 28, role: "img", "aria-label": what });
  add(figure, "figcaption", "", {}, "what the network sees");
  return { canvas, buttons, readout, rows, seen };
}

function render({ model, el }) {
  const side = model.get("side");
  const { canvas, buttons, readout, rows, seen } = build(el, side, model.get("classes"));
  const undo = button(buttons, "Undo stroke", () => keep(strokes.slice(0, -1)));
  const clear = button(buttons, "Clear", () => keep([]));
  const pen = canvas.getContext("2d");
  let strokes = []; // another view of the same pad has strokes of its own
  let pointer = null; // the finger that draws; a second one is ignored
  let frame = null;
  let changed = false;
  const { ask, initialize } = conversation(next, hear, (text) => say(text, true));
  const end = initialize({ model });

  function ink() {
    pen.setTransform(canvas.width / side, 0, 0, canvas.width / side, 0, 0);
    pen.fillStyle = "black";
    pen.fillRect(0, 0, side, side);
    Object.assign(pen, { strokeStyle: "white", lineWidth: model.get("pen"), lineCap: "round", lineJoin: "round" });
    for (const [first, ...rest] of strokes) {
      pen.beginPath();
      pen.moveTo(...first);
      pen.lineTo(...first);
      for (const point of rest) pen.lineTo(...point);
      pen.stroke();
    }
  }

  function show({ shares = [], texts = [], best = -1 }, image) {
    rows.forEach(({ row, bar, text }, k) => {
      row.classList.toggle("drawing-pad-best", k === best);
      bar.style.width = `${100 * (shares[k] ?? 0)}%`;
      text.textContent = texts[k] ?? "";
    });
    paint(seen, image ? bytesOf(image) : new Uint8Array(784), [1, 28, 28]);
  }

  function say(text, trouble = false) {
    readout.classList.toggle("course-trouble", trouble);
    if (readout.textContent !== text) readout.textContent = text;
  }

  function next() {
    if (!changed || !strokes.length) return null;
    changed = false;
    return { do: "look", strokes };
  }

  function hear(message, buffers, mine) {
    if (!mine || !strokes.length) return;
    show(message, buffers[0]);
    if (message.error) say(message.error, true);
    else say(`The network says ${message.best} with ${message.texts[message.best]} confidence.`);
    ask();
  }

  function update() {
    changed = true;
    frame ??= requestAnimationFrame(() => {
      frame = null;
      ink();
      undo.disabled = clear.disabled = !strokes.length;
      if (!strokes.length) {
        show({});
        say("Draw a digit.");
      }
      ask();
    });
  }

  function keep(some) {
    strokes = some;
    update();
  }

  function draw(event) {
    const box = canvas.getBoundingClientRect();
    const stroke = strokes.at(-1);
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of moves.length ? moves : [event]) {
      const point = [clientX - box.left, clientY - box.top].map((d) => Math.round((d * side) / box.width));
      const last = stroke.at(-1);
      if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= 2) stroke.push(point);
    }
    update();
  }

  function lift(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    readout.removeAttribute("aria-busy");
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    readout.setAttribute("aria-busy", "true"); // a screen reader waits for the end of the stroke
    strokes.push([]);
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => event.pointerId === pointer && draw(event));
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  update();
  return end;
}

export default { render };
