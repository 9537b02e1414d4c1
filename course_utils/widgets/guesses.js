// The form of a guess. What it asks stands in the model, so that a kernel that is busy does not hold it back. The guess
// travels in the same message as the click: with two messages, the kernel might see the click first.

export default () => {
  let waiting = false;
  const guess = shared({
    wishes: [],
    keep: (message) => {
      waiting = false;
      guess.trouble = message.trouble;
      return message.locked ? message : guess.now;
    },
    failed: () => (waiting = false),
  });

  function lock(text) {
    [waiting, guess.trouble] = [true, ""];
    guess.draw();
    guess.want({ do: "lock", guess: text });
  }

  function render({ model, el }) {
    const root = panel(el, "guess");
    const name = `guess-${Math.random()}`;
    let drawn = null;
    let line = null;

    function question() {
      const text = add(root, "p");
      add(text, "b", "", {}, "Predict: ");
      model.get("question").split("`").forEach((part, i) => add(text, i % 2 ? "code" : "span", "", {}, part));
    }

    function answer() {
      const { locked, revealed } = guess.now;
      add(add(root, "p", "", { role: "status" }, "Locked in: "), "b", "", {}, locked);
      if (!revealed) button(root, "Guess again", () => fill(true));
    }

    function form() {
      const form = add(root, "form");
      for (const value of model.get("choices")) {
        const label = add(form, "label", "guess-choice");
        add(label, "input", "", { type: "radio", name, value });
        add(label, "span", "", {}, value);
      }
      if (!model.get("choices").length) {
        const label = add(form, "label", "", {}, "Your guess: ");
        add(label, "input", "", { name, size: 10, inputmode: "decimal", autocomplete: "off" });
        add(label, "span", "", {}, model.get("unit"));
      }
      add(form, "button", "course-first", { type: "submit" }, "Lock in");
      form.onkeydown = (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault(); // a browser does the same by itself, but not within JupyterLab
        form.requestSubmit();
      };
      form.onsubmit = (event) => {
        event.preventDefault();
        lock(new FormData(form).get(name) ?? "");
      };
    }

    function fill(again = false) {
      drawn = guess.now;
      root.replaceChildren();
      question();
      if (drawn.locked && !again) answer();
      else form();
      line = add(root, "p", "", { role: "status" });
    }

    return guess.view(() => {
      if (drawn !== guess.now) fill();
      guess.say(line, () => (waiting ? "Waiting for the kernel." : ""));
    });
  }

  return {
    initialize({ model }) {
      guess.now = { locked: model.get("locked"), revealed: model.get("revealed") };
      return guess.initialize({ model });
    },
    render,
  };
};
