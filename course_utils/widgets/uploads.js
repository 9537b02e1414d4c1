// Pictures of the learner's own, on their way to the kernel, which reads them: see images/uploads.py.

const LARGE = 4e6; // bytes; between page and kernel a message of 10 MB would be cut off
const LONG = 2048; // pixels along the longer side of a picture that is shrunk here

// A picture, or what a video shows now, at most `most` pixels along its longer side: base64 of a JPEG.
function shrink(source, width, height, most) {
  const scale = Math.min(1, most / Math.max(width, height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(scale * side)));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // a JPEG has no transparency
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];
}

// A file in base64: as it is, or shrunk where it is too large for one message.
async function readFile(file) {
  if (file.size > LARGE) {
    const picture = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} cannot be read as a picture by this browser: save it as PNG or JPEG, and try again`);
    });
    return shrink(picture, picture.width, picture.height, LONG);
  }
  const reader = new FileReader();
  reader.readAsDataURL(file);
  await new Promise((done) => reader.addEventListener("loadend", done));
  if (reader.error) throw new Error(`${file.name} cannot be opened: ${reader.error.message}`);
  return reader.result.split(",")[1] ?? "";
}

// A button that asks for a file; `took(name, data)` gets it, `failed(text)` what went wrong.
function uploader(parent, took, failed) {
  const text = "A photo of yours …";
  const node = button(parent, text, () => input.click());
  const input = add(parent, "input", "", { type: "file", accept: "image/*", hidden: "", "aria-label": text });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    try {
      took(file.name, await readFile(file));
    } catch (error) {
      failed(error.message);
    }
    input.value = ""; // so that the same file can be chosen again
  });
  return node;
}
