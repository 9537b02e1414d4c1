// Nine pictures in the page. What the learner does goes to the kernel, one thing after the other, and what comes back
// is drawn in all views.

const HINT = "Click the pictures that you like, then Breed.";
const NOTE =
  "Beneath each picture: what the network sees of it, the class that it names, and its confidence. " +
  "The first nine were mutated 20 times at random, to give you a start.";

export default () => {
  const breeding = shared({
    keep: (message, buffers) => ({
      ...message,
      pictures: buffers.length ? buffers.map(bytesOf) : breeding.now.pictures,
    }),
  });
  const { want, say } = breeding;

  function render({ el }) {
    const root = panel(el, "breeding");
    const line = status(root);
    const grid = add(root, "div", "breeding-grid", { role: "group", "aria-label": "Nine pictures" });
    const tiles = Array.from({ length: 9 }, (_, place) => {
      const tile = button(grid, "", () => want({ do: "mark", place }), "course-tile breeding-tile");
      const large = add(tile, "canvas", "breeding-large");
      const below = add(tile, "span", "breeding-line");
      const small = add(below, "canvas", "course-pixels breeding-small");
      const opinion = add(below, "span", "breeding-text");
      const mark = add(tile, "span", "breeding-mark", { "aria-hidden": "true" });
      return { tile, large, small, says: add(opinion, "b"), text: add(opinion, "span"), mark };
    });
    const buttons = add(root, "div", "course-row");
    const breed = button(buttons, "Breed", () => want({ do: "breed" }), "course-first");
    const back = button(buttons, "Back", () => want({ do: "back" }));
    const over = button(buttons, "Start over", () => want({ do: "over" }));
    add(root, "p", "course-note", {}, NOTE);
    let drawn = null; // pictures

    function words() {
      const { note, favourites } = breeding.now;
      const chosen = `${favourites.length} chosen. Breed keeps them and fills the other places with their children.`;
      return note || (favourites.length ? chosen : HINT);
    }

    function show() {
      const { now } = breeding;
      breed.disabled = over.disabled = !now;
      back.disabled = !now?.back;
      say(line, words);
      if (!now) return;
      tiles.forEach(({ tile, large, small, says, text, mark }, i) => {
        if (drawn !== now.pictures) {
          const [channels, height, width] = now.shape;
          const [fine, coarse] = now.pictures;
          const times = Math.sqrt(fine.length / coarse.length);
          paint(large, fine, [channels, times * height, times * width], i);
          paint(small, coarse, now.shape, i);
        }
        const favourite = now.favourites.includes(i);
        const parent = now.parents.includes(i);
        says.textContent = now.says[i];
        text.textContent = now.texts[i];
        mark.textContent = favourite ? "chosen" : parent ? "parent" : "";
        mark.classList.toggle("breeding-parent", !favourite);
        tile.setAttribute("aria-pressed", favourite);
        const opinion = `the network says ${now.says[i]} at ${now.texts[i]}`;
        tile.setAttribute("aria-label", `picture ${i + 1}${parent ? ", a parent" : ""}: ${opinion}`);
      });
      drawn = now.pictures;
    }

    return breeding.view(show);
  }

  return { initialize: breeding.initialize, render };
};
