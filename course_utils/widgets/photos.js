// A photo to attack, in the page. Its settings stand here; the kernel gets one question at a time, and once there is an
// attack to see, the next one is for the settings of that moment. All views of it share what this file holds.

const TITLES = ["the photo", "attacked", "random signs", "what the attack changed"];
const BUSY = { photo: "Looking", upload: "Reading the file", attack: "Attacking" };
const levels = (eps) => (eps === 1 ? "1 level" : `${eps} levels`);

// The class that is meant: the one of that name, or the first that begins so, has a word that does, or has it anywhere.
function meant(classes, typed) {
  const text = typed.trim().toLowerCase();
  const names = text ? classes.map((name) => name.toLowerCase()) : [];
  const fits = [(name) => name === text, (name) => name.startsWith(text), (name) => ` ${name}`.includes(` ${text}`)];
  return [...fits, (name) => name.includes(text)].map((fit) => names.findIndex(fit)).find((k) => k >= 0);
}

// A text field with a list of classes; `chosen(k)` gets the number of one.
function combobox(parent, label, classes, chosen) {
  const id = `photos-${Math.random().toString(36).slice(2)}`;
  const box = add(parent, "label", "course-choice");
  add(box, "span", "", {}, label);
  const text = { type: "text", list: id, autocomplete: "off", spellcheck: "false", placeholder: "type to search" };
  const input = add(box, "input", "photos-class", { ...text, "aria-label": label });
  const list = add(box, "datalist", "", { id });
  let current = 0;

  function set(k) {
    current = k;
    if (document.activeElement !== input) input.value = classes()[k];
    if (!list.options.length) for (const name of classes()) add(list, "option", "", { value: name });
  }

  function choose() {
    const k = meant(classes(), input.value);
    input.value = classes()[k ?? current];
    if (k === undefined || k === current) return;
    current = k;
    chosen(k);
  }

  input.addEventListener("focus", () => input.select());
  input.addEventListener("change", choose);
  input.addEventListener("keydown", ({ key }) => key === "Enter" && choose()); // an open list keeps back the change
  return { input, set };
}

function bars(box, rows, classes, target) {
  box.replaceChildren();
  const list = add(box, "ol", "", { "aria-label": "what the network says" });
  for (const [k, p, text] of rows) {
    const row = add(list, "li", k === target ? "photos-target" : "");
    const line = add(row, "div", "photos-line");
    add(line, "span", "photos-name", {}, classes[k]);
    add(line, "span", "photos-text", {}, ` ${text}`);
    add(add(row, "div", "course-track", { "aria-hidden": "true" }), "div", "course-bar").style.width = `${100 * p}%`;
  }
}

export default () => {
  let todo = []; // before the attack
  let again = false; // an attack is wanted
  let busy = ""; // what the kernel is asked for
  let classes = [];
  let settings = null; // where they stand in the page
  const photos = shared({
    keep: (message, buffers, mine) => {
      if (mine) busy = "";
      classes = message.classes ?? classes;
      if (!settings || !mine) settings = { target: message.target, eps: message.eps, steps: message.steps };
      return { ...message, pictures: buffers.map(bytesOf) };
    },
    idle: () => {
      const wish = todo.shift() ?? (again ? { do: "attack", ...settings } : null);
      if (wish?.do === "attack") again = false;
      busy = BUSY[wish?.do] ?? "";
      return wish;
    },
    failed: () => (busy = ""),
  });

  function update() {
    photos.trouble = "";
    photos.update();
  }

  function want(wish) {
    again = false; // another photo begins without an attack
    todo = [...todo.filter((one) => one.do !== "photo"), wish];
    update();
  }

  function attack() {
    again = true;
    update();
  }

  function set(name, value) {
    settings[name] = value;
    if (photos.now.bars.length > 1 && !todo.length) attack();
    else photos.draw();
  }

  function tell() {
    const { bars: said, eps, steps } = photos.now;
    if (busy) return `${busy} …`;
    const best = (i) => `${classes[said[i][0][0]]} at ${said[i][0][2]}`;
    if (said.length === 1) return `The network says ${best(0)}. Choose what it should say, and press Attack.`;
    const size = `No channel of a pixel moved by more than ${levels(eps)} of 255`;
    const now = `${size}, in ${steps === 1 ? "one step" : `${steps} steps`}: now the network says ${best(1)}.`;
    return `${now} With random signs of that size it says ${best(2)}.`;
  }

  function render({ el }) {
    const root = panel(el, "photos");
    const above = add(root, "div", "course-fields");
    const photo = choice(above, "Photo", (name) => want({ do: "photo", name }));
    const target = combobox(above, "It should say", () => classes, (k) => set("target", k));
    const eps = slider(above, "ε, the largest change", { max: 1 }, (value) => set("eps", value));
    const steps = slider(above, "steps", { min: 1, max: 1 }, (value) => set("steps", value));
    const buttons = add(root, "div", "course-row");
    const go = button(buttons, "Attack", attack, "course-first");
    const upload = uploader(buttons, (name, data) => want({ do: "upload", name, data }), photos.fail);
    const line = status(root);
    const grid = add(root, "div", "photos-grid");
    const panels = TITLES.map((title) => {
      const figure = add(grid, "figure");
      add(figure, "figcaption", "", {}, title);
      return { figure, canvas: add(figure, "canvas", "", { role: "img" }), below: add(figure, "div") };
    });
    let drawn = null;

    function pictures({ pictures: shown, bars: said, shape, factor, target: goal, photo: name }) {
      panels.forEach(({ figure, canvas, below }, i) => {
        figure.hidden = i >= shown.length;
        if (figure.hidden) return;
        paint(canvas, shown[i], shape);
        const best = said[i]?.[0];
        const label = best ? `: the network says ${classes[best[0]]} at ${best[2]}` : `, ${factor} times as large`;
        canvas.setAttribute("aria-label", `${name}, ${TITLES[i]}${label}`);
        if (best) bars(below, said[i], classes, said.length > 1 ? goal : -1);
        else below.textContent = `${factor} times as large; grey is no change.`;
      });
    }

    function show() {
      const { now } = photos;
      for (const one of [photo, upload, go, target.input, eps.input, steps.input]) one.disabled = !now;
      photos.say(line, tell, Boolean(busy));
      if (!now) return;
      go.textContent = busy === BUSY.attack ? "Attacking …" : "Attack";
      [eps.input.max, steps.input.max] = [now.most.eps, now.most.steps];
      eps.set(settings.eps, `${settings.eps}/255`, `${levels(settings.eps)} of 255`);
      steps.set(settings.steps);
      target.set(settings.target);
      if (drawn === now) return;
      drawn = now;
      offer(photo, now.photos, now.photo);
      pictures(now);
    }

    return photos.view(show);
  }

  return { initialize: photos.initialize, render };
};
