// Nine pictures in the page. What the learner does goes to the kernel, one thing after the other, and what comes back is
// drawn in all views.

function build(el) {
  const root = panel(el, "breed");
  const status = add(root, "div", "breed-status", { role: "status", "aria-live": "polite" });
  const grid = add(root, "div", "breed-grid", { role: "group", "aria-label": "Nine pictures" });
  const tiles = Array.from({ length: 9 }, () => {
    const tile = add(grid, "button", "breed-tile", { type: "button" });
    const large = add(tile, "canvas", "breed-large");
    const line = add(tile, "span", "breed-line");
    const small = add(line, "canvas", "breed-small");
    const text = add(line, "span", "breed-text");
    const opinion = { says: add(text, "b", ""), text: add(text, "span", "") };
    return { tile, large, small, ...opinion, mark: add(tile, "span", "breed-mark", { "aria-hidden": "true" }) };
  });
  const buttons = add(root, "div", "breed-buttons");
  const [breed, back, over] = ["Breed", "Back", "Start over"].map((text) =>
    add(buttons, "button", "breed-button", { type: "button" }, text),
  );
  breed.classList.add("breed-first");
  const note =
    "Beneath each picture: what the network sees of it, the class that it names, and its confidence. " +
    "The first nine were mutated 20 times at random, to give you a start.";
  add(root, "div", "breed-note", {}, note);
  return { tiles, breed, back, over, status };
}

export default () => {
  const views = new Set();
  const wishes = [{ do: "show" }];
  let now = null; // the last answer
  let pictures = null; // the bytes of the last answer that had any: nine in fine, nine as the network sees them
  let trouble = "";

  const { ask, initialize } = conversation(() => wishes.shift(), hear, late);

  function want(wish) {
    wishes.push(wish);
    ask();
  }

  function hear(message, buffers, mine) {
    if (mine) trouble = message.error ?? "";
    if (!message.error) now = message;
    if (buffers.length) pictures = buffers.map(bytesOf);
    views.forEach((draw) => draw(buffers.length > 0));
    ask();
  }

  function late() {
    trouble = "No answer yet. The kernel is busy, or it was restarted: then run this cell again.";
    views.forEach((draw) => draw(false));
  }

  function render({ el }) {
    const { tiles, breed, back, over, status } = build(el);

    function draw(fresh) {
      breed.disabled = over.disabled = !now;
      back.disabled = !now?.back;
      status.classList.toggle("breed-trouble", Boolean(trouble));
      const chosen = now?.favourites.length;
      const hint = chosen ? `${chosen} chosen. Breed keeps them and fills the other places with their children.` : "Click the pictures that you like, then Breed.";
      status.textContent = trouble || now?.note || (now ? hint : "Waiting for the kernel.");
      if (!now || !pictures) return;
      tiles.forEach(({ tile, large, small, says, text, mark }, i) => {
        if (fresh) {
          const [channels, height, width] = now.shape;
          const [fine, coarse] = pictures.map((bytes) => bytes.subarray((i * bytes.length) / 9, ((i + 1) * bytes.length) / 9));
          const times = Math.sqrt(fine.length / coarse.length);
          paint(large, fine, [channels, times * height, times * width]);
          paint(small, coarse, now.shape);
        }
        const favourite = now.favourites.includes(i);
        const parent = now.parents.includes(i);
        says.textContent = now.says[i];
        text.textContent = now.texts[i];
        mark.textContent = favourite ? "chosen" : parent ? "parent" : "";
        mark.classList.toggle("breed-parent", !favourite);
        tile.setAttribute("aria-pressed", favourite);
        const label = `picture ${i + 1}${parent ? ", a parent" : ""}: the network says ${now.says[i]} at ${now.texts[i]}`;
        tile.setAttribute("aria-label", label);
      });
    }

    tiles.forEach(({ tile }, place) => tile.addEventListener("click", () => want({ do: "mark", place })));
    breed.addEventListener("click", () => want({ do: "breed" }));
    back.addEventListener("click", () => want({ do: "back" }));
    over.addEventListener("click", () => want({ do: "over" }));
    views.add(draw);
    draw(true);
    return () => views.delete(draw);
  }

  return { initialize, render };
};
