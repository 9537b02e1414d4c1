// The form of a guess. What it asks stands in the model, so that a kernel that is busy does not hold it back. The guess
// travels in the same message as the click: with two messages, the kernel might see the click first.

export default () => {
  const views = new Set();
  let state = {}; // what is locked in
  let wish = null;
  const { ask, initialize } = conversation(next, hear, (text) => tell(false, text));

  function next() {
    const question = wish;
    wish = null;
    return question;
  }

  function tell(fresh, text) {
    views.forEach((view) => view(fresh, text));
  }

  function hear({ locked, revealed, error, trouble = error }) {
    if (locked) state = { locked, revealed };
    tell(Boolean(locked), trouble);
  }

  function render({ model, el }) {
    const root = panel(el, "guess");
    const name = `guess-${Math.random()}`;
    let line = null;

    function question() {
      const text = add(root, "p");
      add(text, "b", "", {}, "Predict: ");
      model.get("question").split("`").forEach((part, i) => add(text, i % 2 ? "code" : "span", "", {}, part));
    }

    function answer() {
      add(add(root, "p", "", { role: "status" }, "Locked in: "), "b", "", {}, state.locked);
      if (!state.revealed) button(root, "Guess again", () => fill(true));
      line = add(root, "p", "course-trouble", { role: "alert" });
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
        line.textContent = "Waiting for the kernel.";
        wish = { do: "lock", guess: new FormData(form).get(name) ?? "" };
        ask();
      };
      line = add(root, "p", "course-trouble", { role: "status" });
    }

    function fill(again = false) {
      root.replaceChildren();
      question();
      if (state.locked && !again) answer();
      else form();
    }

    function view(fresh, text) {
      if (fresh) fill();
      line.textContent = text;
    }

    views.add(view);
    fill();
    return () => views.delete(view);
  }

  return {
    initialize({ model }) {
      state = { locked: model.get("locked"), revealed: model.get("revealed") };
      return initialize({ model });
    },
    render,
  };
};
