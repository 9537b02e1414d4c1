// What the widgets in the page share. `widgets.script` puts it before each of them.

function add(parent, tag, className, attributes = {}, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
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
