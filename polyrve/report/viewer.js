"use strict";

(() => {
  const root = document.getElementById("viewer");
  if (!root) return;
  const data = JSON.parse(document.getElementById("report-data").textContent).viewer;
  const [nz, ny, nx] = data.shape;
  const size = data.shape;
  const planes = [[1, 2], [0, 2], [0, 1]];
  const names = ["z", "y", "x"];
  const at = size.map((n) => Math.floor(n / 2));
  const volumes = {};
  const panes = [...root.querySelectorAll(".pane")];
  const readout = root.querySelector(".readout");
  const colour = root.querySelector("[name=colour]");
  const lines = root.querySelector("[name=boundaries]");
  const cross = root.querySelector("[name=cross]");

  function unpack(image, columns) {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const voxels = new Uint8Array(3 * nz * ny * nx);
    let k = 0;
    for (let z = 0; z < nz; z++) {
      const left = (z % columns) * nx;
      const top = Math.floor(z / columns) * ny;
      for (let y = 0; y < ny; y++) {
        let p = 4 * ((top + y) * canvas.width + left);
        for (let x = 0; x < nx; x++, p += 4) {
          voxels[k++] = pixels[p];
          voxels[k++] = pixels[p + 1];
          voxels[k++] = pixels[p + 2];
        }
      }
    }
    return voxels;
  }

  const offset = (z, y, x) => 3 * ((z * ny + y) * nx + x);
  const grainAt = (z, y, x) => {
    const k = offset(z, y, x);
    const ids = volumes.grains;
    return ids[k] + 256 * ids[k + 1] + 65536 * ids[k + 2];
  };

  function grainColour(id) {
    if (!id) return [0, 0, 0];
    let h = Math.imul(id, 2654435761) >>> 0;
    h = (h ^ (h >>> 15)) >>> 0;
    return [70 + (h & 127), 70 + ((h >>> 8) & 127), 70 + ((h >>> 16) & 127)];
  }

  function draw(axis) {
    const canvas = panes[axis].querySelector("canvas");
    const [down, along] = planes[axis];
    const rows = size[down];
    const columns = size[along];
    const zoom = Math.max(1, Math.ceil(480 / Math.max(rows, columns)));
    const tall = Math.max(1, Math.round((zoom * data.spacing[down]) / Math.min(data.spacing[down], data.spacing[along])));
    const wide = Math.max(1, Math.round((zoom * data.spacing[along]) / Math.min(data.spacing[down], data.spacing[along])));
    canvas.width = columns * wide;
    canvas.height = rows * tall;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(canvas.width, canvas.height);
    const position = [...at];
    const ids = new Int32Array(rows * columns);
    const source = volumes[colour.value];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        position[down] = r;
        position[along] = c;
        const id = grainAt(...position);
        ids[r * columns + c] = id;
        let rgb;
        if (colour.value === "grains") rgb = grainColour(id);
        else {
          const k = offset(...position);
          rgb = [source[k], source[k + 1], source[k + 2]];
        }
        for (let i = 0; i < tall; i++) {
          let p = 4 * ((r * tall + i) * canvas.width + c * wide);
          for (let j = 0; j < wide; j++) {
            picture.data[p++] = rgb[0];
            picture.data[p++] = rgb[1];
            picture.data[p++] = rgb[2];
            picture.data[p++] = 255;
          }
        }
      }
    }
    context.putImageData(picture, 0, 0);
    if (lines.checked) {
      context.fillStyle = "#111";
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const id = ids[r * columns + c];
          if (c + 1 < columns && ids[r * columns + c + 1] !== id) context.fillRect((c + 1) * wide - 1, r * tall, 1.5, tall);
          if (r + 1 < rows && ids[(r + 1) * columns + c] !== id) context.fillRect(c * wide, (r + 1) * tall - 1, wide, 1.5);
        }
      }
    }
    if (cross.checked) {
      context.strokeStyle = "rgba(255,255,255,0.9)";
      context.lineWidth = 1;
      context.setLineDash([5, 4]);
      context.beginPath();
      context.moveTo((at[along] + 0.5) * wide, 0);
      context.lineTo((at[along] + 0.5) * wide, canvas.height);
      context.moveTo(0, (at[down] + 0.5) * tall);
      context.lineTo(canvas.width, (at[down] + 0.5) * tall);
      context.stroke();
    }
    panes[axis].querySelector("input").value = at[axis];
    panes[axis].querySelector(".index").textContent =
      `${at[axis] + 1} of ${size[axis]} (${((at[axis] + 0.5) * data.spacing[axis]).toFixed(2)} µm)`;
  }

  function drawAll() {
    [0, 1, 2].forEach(draw);
    tell(...at);
  }

  function tell(z, y, x) {
    const id = grainAt(z, y, x);
    const place = `voxel x ${x * data.step[2]}, y ${y * data.step[1]}, z ${z * data.step[0]}`;
    if (!id) {
      readout.textContent = `${place}: no grain`;
      return;
    }
    const [phase, phi1, Phi, phi2, diameter] = data.grains[id - 1];
    readout.textContent = `${place}: grain ${id}, ${data.phases[phase - 1]}, mean orientation (${phi1.toFixed(1)}°, ` +
      `${Phi.toFixed(1)}°, ${phi2.toFixed(1)}°) Bunge, equivalent diameter ${diameter.toFixed(2)} µm`;
  }

  function move(axis, to) {
    const n = size[axis];
    at[axis] = data.periodic ? ((to % n) + n) % n : Math.min(n - 1, Math.max(0, to));
    drawAll();
  }

  function pointed(axis, event) {
    const canvas = panes[axis].querySelector("canvas");
    const box = canvas.getBoundingClientRect();
    const [down, along] = planes[axis];
    const position = [...at];
    position[along] = Math.min(size[along] - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * size[along])));
    position[down] = Math.min(size[down] - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * size[down])));
    return position;
  }

  function wire(axis) {
    const pane = panes[axis];
    const canvas = pane.querySelector("canvas");
    const range = pane.querySelector("input");
    range.addEventListener("input", () => move(axis, Number(range.value)));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      move(axis, at[axis] + (event.deltaY > 0 ? 1 : -1));
    }, { passive: false });
    const place = (event) => {
      pointed(axis, event).forEach((value, i) => { at[i] = value; });
      drawAll();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      place(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) place(event);
      else tell(...pointed(axis, event));
    });
    canvas.addEventListener("pointerleave", () => tell(...at));
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 8, PageDown: -8 };
      if (event.key in steps) move(axis, at[axis] + steps[event.key]);
      else if (event.key === "Home") move(axis, 0);
      else if (event.key === "End") move(axis, size[axis] - 1);
      else if (event.key === "b") { lines.checked = !lines.checked; drawAll(); }
      else if (event.key === "c") { cross.checked = !cross.checked; drawAll(); }
      else return;
      event.preventDefault();
    });
  }

  const images = [...root.querySelectorAll("img[data-volume]")];
  Promise.all(images.map((image) => image.decode())).then(() => {
    for (const image of images) volumes[image.dataset.volume] = unpack(image, data.columns);
    [0, 1, 2].forEach(wire);
    [colour, lines, cross].forEach((control) => control.addEventListener("change", drawAll));
    drawAll();
    root.dataset.ready = "yes";
  });
})();
