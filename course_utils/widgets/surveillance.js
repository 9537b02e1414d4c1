// The watchman in the page. The kernel gets one question at a time: a photo, or what the camera shows by then, with what is
// to hang in it. All views of a watchman share what this file holds, so there is one camera, and one button stops it.

const FRAME = 320; // pixels along the longer side of a picture from the camera
const OTHERS = "You can take a photo instead: one of the list, or one of yours.";
const LATE = "No answer yet. The kernel is busy, or it was restarted: then run the cell of this watchman again.";
const HERE = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

function refusal(error) {
  const why = {
    NotAllowedError: "The browser was not allowed to use the camera. The lock or the camera beside the address changes that.",
    NotFoundError: "There is no camera here.",
    NotReadableError: "The camera does not start: another program may be using it.",
    InsecureContext: "A browser gives the camera only to pages from localhost or https.",
  };
  return `${why[error.name] ?? `The camera cannot be used (${error.name}: ${error.message}).`} ${OTHERS}`;
}

// A camera that is off at first. `ended()` is called when it stops by itself.
function makeCamera(ended) {
  let video = null; // the picture, while the camera is on
  let wanted = 0; // who asked last: a permission may come after the learner has changed their mind
  const end = (stream) => stream.getTracks().forEach((track) => track.stop());

  function stop() {
    wanted++;
    if (video) end(video.srcObject);
    video = null;
  }

  async function start() {
    const mine = ++wanted;
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(""), { name: "InsecureContext" });
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: "user" } });
    const picture = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
    try {
      await picture.play();
      if (!picture.videoWidth) await new Promise((resolve) => picture.addEventListener("loadeddata", resolve, { once: true }));
    } catch (error) {
      end(stream);
      throw error;
    }
    if (mine !== wanted) return end(stream);
    video = picture;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (video !== picture) return;
      stop();
      ended();
    });
  }

  const frame = () => (video ? shrink(video, video.videoWidth, video.videoHeight, FRAME) : null);
  return { start, stop, frame, on: () => Boolean(video) };
}

function build(el) {
  const root = panel(el, "watchman");
  const id = `watchman-${Math.random().toString(36).slice(2)}`;
  const view = add(root, "canvas", "watchman-view", { role: "img" });
  const side = add(root, "div", "watchman-side");
  const buttons = add(side, "div", "watchman-buttons");
  const camera = add(buttons, "button", "watchman-button watchman-first", { type: "button" });
  const field = (name, text) => {
    const box = add(side, "div", "watchman-field");
    add(box, "label", "", { for: `${id}-${name}` }, text);
    return box;
  };
  const choice = (name, text) => add(field(name, text), "select", "", { id: `${id}-${name}` });
  const photo = choice("photo", "photo");
  const hangs = choice("hangs", "what hangs in the picture");
  const sliders = {};
  for (const [name, text] of Object.entries({ size: "its size", across: "its place from left to right", down: "its place from top to bottom" }))
    sliders[name] = add(field(name, text), "input", "", { id: `${id}-${name}`, type: "range", min: name === "size" ? 0.1 : 0, max: 1, step: 0.02 });
  const status = add(root, "div", "watchman-status", { role: "status", "aria-live": "polite" });
  const found = add(root, "div", "watchman-found");
  const where = HERE
    ? "Here the kernel runs at localhost, so no picture leaves this machine (unless your localhost leads to another one)."
    : "This page does not come from localhost, so the kernel may run on another machine, and a picture goes there.";
  const note = `The kernel gets one small picture at a time and keeps none of the camera's. ${where} The noise is pasted into the picture: it was never on paper.`;
  add(root, "p", "watchman-note", {}, note);
  return { root, view, buttons, camera, photo, hangs, sliders, status, found };
}

// The picture, twice as large, and a box about each face.
function mark(canvas, { picture, shape, marks }) {
  const [, height, width] = shape;
  const small = document.createElement("canvas");
  paint(small, picture, shape);
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, 2 * width, 2 * height);
  pen.font = "600 20px system-ui, sans-serif";
  for (const { box, text, on } of marks) {
    const [left, top, right, bottom] = box.map((edge) => 2 * edge);
    const frame = (style, lineWidth) => {
      Object.assign(pen, { strokeStyle: style, lineWidth });
      pen.strokeRect(left, top, right - left, bottom - top);
    };
    frame("white", 8);
    frame(on ? "#cc79a7" : "#0072b2", 4);
    const wide = pen.measureText(text).width + 12;
    const [x, y] = [Math.max(0, Math.min(left - 2, 2 * width - wide)), Math.max(0, top - 30)];
    pen.fillStyle = on ? "#cc79a7" : "#0072b2";
    pen.fillRect(x, y, wide, 28);
    pen.fillStyle = on ? "black" : "white";
    pen.fillText(text, x + 6, y + 21);
  }
}

function sentence({ marks, settings }) {
  const thing = settings.hangs;
  if (!marks.length) return "No face found.";
  const each = marks.map(({ text, on }) => (on ? `${text} (on the ${thing})` : text)).join(", ");
  return `${marks.length === 1 ? "One face" : `${marks.length} faces`} found: ${each}.`;
}

export default () => {
  const views = new Set();
  const camera = makeCamera(() => fail(`The camera was switched off or unplugged. ${OTHERS}`));
  let wishes = [{ do: "show" }]; // before the pictures of the camera
  let moved = false; // the settings, since the kernel was last asked
  let asking = false; // for the permission to use the camera
  let now = null; // the last answer, and its picture
  let settings = null; // as they stand in the page
  let trouble = "";
  let pace = []; // when the last pictures came

  const { ask, initialize } = conversation(next, hear, late);

  function next() {
    if (wishes.length) return wishes.shift();
    const frame = settings && camera.frame();
    if (!frame && !moved) return null;
    moved = false;
    return { do: "look", settings, ...(frame ? { frame } : {}) };
  }

  function want(wish) {
    camera.stop();
    wishes = [...wishes.filter((one) => one.do === "upload"), wish];
    trouble = "";
    ask();
    draw();
  }

  function set(changed) {
    settings = { ...settings, ...changed };
    moved = true;
    trouble = "";
    ask();
    draw();
  }

  function fail(text) {
    camera.stop();
    trouble = text;
    moved = Boolean(now?.camera); // back to the photo, but not again if that fails too
    if (now) now.camera = false;
    ask();
    draw();
  }

  async function start() {
    if (asking) return;
    asking = true;
    trouble = "";
    pace = [];
    draw();
    try {
      await camera.start();
    } catch (error) {
      trouble = refusal(error);
    }
    asking = false;
    ask();
    draw();
  }

  function hear(message, buffers, mine) {
    if (message.error) return fail(message.error);
    if (mine && trouble === LATE) trouble = "";
    now = { ...message, picture: bytesOf(buffers[0]) };
    if (!settings || !(mine || moved)) settings = message.settings;
    if (message.camera) pace = [...pace.slice(-10), performance.now()];
    requestAnimationFrame(() => {
      draw();
      ask();
    });
  }

  function late() {
    fail(LATE);
  }

  function draw() {
    views.forEach((view) => view());
  }

  function tell() {
    if (asking) return "Asking for the camera: the browser wants your permission.";
    if (!camera.on()) return `A photo: ${now.photo}.`;
    const rate = pace.length > 2 ? (1000 * (pace.length - 1)) / (pace.at(-1) - pace[0]) : 0;
    return `The camera is on${rate >= 1 ? `, about ${Math.round(rate)} pictures a second` : ""}.`;
  }

  function render({ el }) {
    const { root, view, buttons, camera: toggle, photo, hangs, sliders, status, found } = build(el);
    const upload = uploader(buttons, "watchman-button", "A photo of yours …", (name, data) => want({ do: "upload", name, data }), fail);
    let drawn = null;

    function fill(select, names, value) {
      if (select.options.length !== names.length) {
        select.replaceChildren();
        for (const name of names) add(select, "option", "", { value: name }, name);
      }
      select.value = value;
    }

    function show() {
      const nothing = !settings || settings.hangs === "nothing";
      for (const one of [toggle, upload, photo, hangs]) one.disabled = !now;
      for (const one of Object.values(sliders)) one.disabled = nothing;
      toggle.textContent = camera.on() ? "Stop the camera" : "Use the camera";
      status.classList.toggle("watchman-trouble", Boolean(trouble));
      status.setAttribute("aria-live", camera.on() ? "off" : "polite"); // no ten announcements a second
      status.textContent = trouble || (now ? tell() : "Waiting for the kernel.");
      if (!now) return;
      fill(photo, now.photos, now.photo);
      fill(hangs, now.things, settings.hangs);
      for (const [name, slider] of Object.entries(sliders)) {
        slider.value = settings[name];
        slider.setAttribute("aria-valuetext", `${Math.round(100 * settings[name])} %`);
      }
      root.classList.toggle("watchman-drag", !nothing);
      if (drawn === now) return;
      drawn = now;
      mark(view, now);
      found.textContent = sentence(now);
      const what = now.camera ? "The camera's picture" : `The photo ${now.photo}`;
      view.setAttribute("aria-label", `${what}, with ${now.settings.hangs} in it. ${sentence(now)}`);
    }

    function drag(event) {
      if (!now?.place || !event.buttons) return;
      const box = view.getBoundingClientRect();
      const [, height, width] = now.shape;
      const [left, top, right, bottom] = now.place;
      const share = (at, side, room) => (room > 0 ? Math.min(1, Math.max(0, (at - side / 2) / room)) : 0.5);
      const across = share(((event.clientX - box.left) / box.width) * width, right - left, width - (right - left));
      const down = share(((event.clientY - box.top) / box.height) * height, bottom - top, height - (bottom - top));
      set({ across, down });
    }

    view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !now?.place) return;
      event.preventDefault();
      view.setPointerCapture(event.pointerId);
      drag(event);
    });
    view.addEventListener("pointermove", drag);
    toggle.addEventListener("click", () => (camera.on() ? want({ do: "photo", name: now.photo }) : start()));
    photo.addEventListener("change", () => want({ do: "photo", name: photo.value }));
    hangs.addEventListener("change", () => set({ hangs: hangs.value }));
    for (const [name, slider] of Object.entries(sliders)) slider.addEventListener("input", () => set({ [name]: Number(slider.value) }));
    views.add(show);
    show();
    return () => {
      views.delete(show);
      if (!views.size) camera.stop();
    };
  }

  return { initialize, render };
};
