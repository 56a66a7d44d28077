"use strict";
(async () => {
  // The data: JSON, compressed by gzip, in base64.
  const bytes = Uint8Array.from(atob(document.getElementById("data").textContent), (each) => each.charCodeAt(0));
  const data = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  const style = () => getComputedStyle(document.documentElement);
  const narrow = () => window.innerWidth < 640;

  // Numbers in words: as fastnn.bench.table.si.
  const PREFIXES = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];
  function si(value, unit) {
    if (value === 0) return `0 ${unit}`.trim();
    const [scale, prefix] = PREFIXES.find(([s]) => Math.abs(value) >= s * 0.9995) || PREFIXES[PREFIXES.length - 1];
    const digits = Math.abs(value / scale) < 9.995 ? 2 : Math.abs(value / scale) < 99.95 ? 1 : 0;
    return `${(value / scale).toFixed(digits)} ${prefix}${unit}`.trim();
  }
  function shown(value, kind) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return String(value);
    if (kind === "s") return si(value, "s");
    if (kind === "share") return `${(100 * value).toFixed(1)}%`;
    if (kind === "count") return value.toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  }
  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // Pictures: colours are names of variables of the style sheet, looked up when drawn, light or dark.
  function coloured(value, look) {
    if (typeof value === "string") return value.startsWith("--") ? look.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.some((each) => typeof each === "object") ? value.map((each) => coloured(each, look)) : value;
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, coloured(each, look)]));
    return value;
  }
  const CONFIG = {
    responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg" },
  };
  // Ticks of a logarithmic axis: powers of ten, every other where they would touch; 1, 2 and 5 where there are few.
  function ticksOf(axis, traces, key, most) {
    if (axis.type !== "log") return {};
    const values = traces.flatMap((trace) => trace[key]).filter((value) => value > 0);
    const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
    if (high - low > 2.2) return { dtick: Math.ceil((high - low) / most), minor: { dtick: 1, ticks: "outside", ticklen: 3 } };
    const tickvals = [];
    for (let power = Math.floor(low) - 1; power <= high + 1; power += 1) tickvals.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
    const short = (value) => si(value, axis.ticksuffix).replace(/\.0+(?= |$)/, "").replace(/(\.\d)0(?= |$)/, "$1");
    return { tickvals, ticktext: tickvals.map(short) };
  }
  function layoutOf(picture, traces, look) {
    const axis = {
      gridcolor: "--line", linecolor: "--soft", tickcolor: "--line", zeroline: false, showline: true, ticks: "outside",
    };
    const own = picture.layout;
    const small = narrow();
    const title = (text, side) => ({ text, standoff: side === "x" ? 12 : 8, font: { size: small ? 12 : 13 } });
    return coloured({
      ...own,
      xaxis: { ...axis, ...own.xaxis, title: title((own.xaxis.title || {}).text || "", "x"), ...ticksOf(own.xaxis, traces, "x", small ? 7 : 16) },
      yaxis: { ...axis, ...own.yaxis, title: title((own.yaxis.title || {}).text || "", "y"), ...ticksOf(own.yaxis, traces, "y", 10) },
      paper_bgcolor: "--ground", plot_bgcolor: "--ground", hovermode: "closest", bargap: 0.35,
      font: { family: look.getPropertyValue("--font"), size: small ? 11 : 13, color: "--ink" },
      hoverlabel: { bgcolor: "--raised", bordercolor: "--line", font: { color: "--ink", size: 13 }, namelength: -1 },
      legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", traceorder: "normal" },
      margin: { l: small ? 48 : 64, r: small ? 16 : 28, t: 10, b: 52 }, dragmode: small ? false : "zoom",
    }, look);
  }

  class Family {
    constructor(section) {
      this.section = section;
      this.name = section.dataset.family;
      this.pictures = data.families[this.name];
      this.plot = section.querySelector(".plot");
      this.height = parseInt(this.plot.style.height, 10);
      this.words = section.querySelector(".told");
      this.current = this.pictures[0];
      this.adjust = (traces) => traces;
      this.makeControls(section.querySelector(".controls"));
      section.querySelector("details.numbers").addEventListener("toggle", () => this.tell());
    }
    // A control for each part of the choice that differs between pictures.
    makeControls(place) {
      const keys = [...new Set(this.pictures.flatMap((each) => each.choice.map(([key]) => key)))];
      this.controls = new Map();
      for (const key of keys) {
        const values = [...new Set(this.pictures.map((each) => new Map(each.choice).get(key)).filter((each) => each !== undefined))];
        if (values.length < 2) continue;
        const group = `${this.name}-${key}`;
        const segments = element("div", { className: "segments" });
        for (const value of values) {
          const input = element("input", { type: "radio", name: group, value });
          input.addEventListener("change", () => this.choose(key, value));
          segments.append(element("label", {}, input, value));
        }
        place.append(element("fieldset", {}, element("legend", {}, key), segments));
        this.controls.set(key, segments);
      }
    }
    // The picture that has this value, and as much as can be of what was chosen before.
    choose(key, value) {
      const before = new Map([...this.controls].map(([name, segments]) => [name, segments.querySelector(":checked")?.value]));
      const score = (picture) => picture.choice.filter(([name, each]) => before.get(name) === each).length;
      const fitting = this.pictures.filter((picture) => new Map(picture.choice).get(key) === value);
      this.current = fitting.reduce((best, each) => (score(each) > score(best) ? each : best));
      this.draw();
    }
    draw() {
      const look = style();
      // The legend of many series takes several lines of a phone.
      const lines = narrow() ? this.current.data.filter((trace) => trace.showlegend !== false).length : 0;
      this.plot.style.height = `${this.height + 16 * Math.max(0, lines - 3)}px`;
      const chosen = new Map(this.current.choice);
      for (const [key, segments] of this.controls) {
        for (const input of segments.querySelectorAll("input")) {
          input.disabled = !chosen.has(key);
          input.checked = chosen.has(key) ? chosen.get(key) === input.value : input.checked;
        }
      }
      this.words.replaceChildren(...this.current.words.map((text) => element("li", {}, text)));
      this.plot.setAttribute("aria-label", `${this.current.title}. ${this.current.words.join(" ")}`);
      this.traces = this.adjust(this.current.data);
      this.tell();
      return Plotly.react(this.plot, coloured(this.traces, look), layoutOf(this.current, this.traces, look), CONFIG);
    }
    // The same numbers as a table, for who cannot see the picture.
    tell() {
      const details = this.section.querySelector("details.numbers");
      if (!details.open) return;
      const { xaxis, yaxis } = this.current.layout;
      const body = element("tbody");
      for (const trace of this.traces.filter((each) => each.showlegend !== false)) {
        trace.x.forEach((x, index) => {
          const cells = [x, trace.y[index]].map((value) => (typeof value === "number" ? Number(value.toPrecision(4)).toString() : value));
          body.append(element("tr", {}, element("td", {}, trace.name), ...cells.map((each) => element("td", { className: "number" }, each)), element("td", {}, (trace.customdata || trace.text || [])[index] || "")));
        });
      }
      const headings = ["series", xaxis.title?.text || "x", yaxis.title?.text || "y", ""].map((text) => element("th", { scope: "col" }, text));
      details.querySelector(".scroll").replaceChildren(element("table", {}, element("caption", {}, this.current.title), element("thead", {}, element("tr", {}, ...headings)), body));
    }
  }
  const families = [...document.querySelectorAll("section[data-family]")].map((section) => new Family(section));

  // How fast the models on paper would be: FLOPs over peak times utilisation, and no less than their weights take to read.
  const scale = families.find((family) => family.name === "scale");
  if (scale) {
    const slider = document.getElementById("utilisation");
    const hardware = document.getElementById("hardware");
    data.devices.forEach((device, index) => hardware.append(element("option", { value: index }, device.title)));
    const pace = (work, moved) => {
      const device = data.devices[hardware.value];
      return Math.max(work / (device.flops_per_s * slider.value / 100), moved / device.bytes_per_s);
    };
    scale.adjust = (traces) => traces.map((trace) => (trace.meta ? { ...trace, y: trace.meta.work.map((work, index) => pace(work, trace.meta.moved[index])) } : trace));
    const told = () => {
      const device = data.devices[hardware.value];
      const named = scale.traces.flatMap((trace) => (trace.meta && trace.text ? trace.text.map((tag, index) => [tag, trace.y[index], trace.name]) : []));
      const picked = named.filter(([tag]) => ["gpt2", "llama-3-70b", "gpt4"].includes(tag));
      document.getElementById("utilisation-shown").textContent = `${slider.value}%`;
      slider.setAttribute("aria-valuetext", `${slider.value} percent of peak`);
      document.getElementById("speed-told").textContent = `At ${slider.value}% of ${device.title}: ${picked.map(([tag, time]) => `${tag} ${si(time, "s")}`).join(", ")} a token.`;
    };
    const moved = () => { scale.draw(); told(); };
    slider.addEventListener("input", moved);
    hardware.addEventListener("change", moved);
    scale.told = told;
  }
  for (const family of families) {
    const draw = family.draw.bind(family);
    if (family === scale) family.draw = () => { const drawn = draw(); scale.told(); return drawn; };
    family.draw();
  }
  const redraw = () => families.forEach((family) => family.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("(max-width: 640px)").addEventListener("change", redraw);

  // Tables that sort by a heading.
  const FIRST = 50;
  class Table {
    constructor(place, columns, rows, limit) {
      Object.assign(this, { place, columns, rows, limit, sorted: null, descending: false, wanted: [] });
      // What is the same in every row is told once, above the table.
      this.varying = columns.map((_, index) => index).filter((index) => rows.length < 2 || rows.some((row) => row[index] !== rows[0][index]));
      this.body = element("tbody");
      this.heads = this.varying.map((index) => {
        const column = columns[index];
        const button = element("button", { type: "button" }, column.heading);
        button.addEventListener("click", () => this.sort(index));
        const numeric = column.kind !== "" && column.kind !== undefined;
        return element("th", { scope: "col", ariaSort: "none", className: numeric ? "number" : "" }, button);
      });
      place.append(element("table", {}, element("thead", {}, element("tr", {}, ...this.heads)), this.body));
      this.fill();
    }
    sort(index) {
      this.descending = this.sorted === index ? !this.descending : false;
      this.sorted = index;
      const sign = this.descending ? -1 : 1;
      const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
      // Rows that have nothing there stand last, either way.
      this.rows = [...this.rows].sort((a, b) => {
        const [left, right] = [a[index], b[index]];
        const missing = (left == null) - (right == null);
        return missing || (left == null ? 0 : sign * compare(left, right));
      });
      this.heads.forEach((head, at) => { head.ariaSort = this.varying[at] === index ? (this.descending ? "descending" : "ascending") : "none"; });
      this.fill();
    }
    get fitting() {
      const matches = (row) => this.wanted.every((word) => row.some((cell) => String(cell).toLowerCase() === word)) || this.wanted.every((word) => row.join(" ").toLowerCase().includes(word));
      return this.wanted.length ? this.rows.filter(matches) : this.rows;
    }
    fill() {
      const rows = this.fitting.slice(0, this.limit);
      this.body.replaceChildren(...rows.map((row) => element("tr", {}, ...this.varying.map((index) => {
        const kind = this.columns[index].kind;
        return element("td", { className: kind ? "number" : "" }, shown(row[index], kind));
      }))));
      if (this.after) this.after(rows.length, this.fitting.length);
    }
  }
  const place = document.getElementById("rows-table");
  if (place) {
    const all = new Table(place, data.columns, data.rows, FIRST);
    const more = document.getElementById("more");
    const same = data.columns.map((column, index) => [column, index]).filter(([, index]) => !all.varying.includes(index) && data.rows[0][index] !== null);
    const constant = same.map(([column, index]) => `${column.heading} ${shown(data.rows[0][index], column.kind)}`).join(", ");
    all.after = (few, many) => {
      document.getElementById("rows-told").textContent = `${few} of ${many} rows shown${many < data.rows.length ? `, ${data.rows.length} in all` : ""}.${constant && ` The same in all: ${constant}.`}`;
      more.hidden = few === many;
    };
    all.after(Math.min(FIRST, data.rows.length), data.rows.length);
    more.addEventListener("click", () => { all.limit = Infinity; all.fill(); place.focus(); });
    document.getElementById("filter").addEventListener("input", (event) => {
      all.wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      all.fill();
    });
  }
  const SECONDS = /_s$/;
  function suiteTable(suite) {
    const names = [...new Set(suite.rows.flatMap((row) => Object.keys(row)))];
    const kind = (name) => (SECONDS.test(name) ? "s" : suite.rows.some((row) => typeof row[name] === "number") ? (name === "residual" ? "number" : "count") : "");
    return {
      columns: names.map((name) => ({ name, heading: name.replace(SECONDS, "").replaceAll("_", " "), kind: kind(name) })),
      rows: suite.rows.map((row) => names.map((name) => row[name] ?? null)),
    };
  }
  const suites = data.suites.map(suiteTable);
  document.querySelectorAll(".sortable[data-suite]").forEach((each) => {
    const { columns, rows } = suites[each.dataset.suite];
    new Table(each, columns, rows, Infinity);
  });

  // Downloads: every row, whatever is shown.
  function csv(columns, rows) {
    const cell = (value) => (value === null ? "" : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return [columns.map((column) => column.name), ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }
  function json(columns, rows) {
    return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((value, index) => [columns[index].name, value]))), null, 1) + "\n";
  }
  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }
  document.querySelectorAll("button.download").forEach((button) => button.addEventListener("click", () => {
    const { columns, rows } = button.dataset.suite === undefined ? data : suites[button.dataset.suite];
    const name = button.dataset.suite === undefined ? "fastnn-rows" : data.suites[button.dataset.suite].label;
    if (button.dataset.kind === "csv") download(`${name}.csv`, "text/csv", csv(columns, rows));
    else download(`${name}.json`, "application/json", json(columns, rows));
  }));

  const formula = document.getElementById("formula");
  formula?.addEventListener("change", () => document.querySelectorAll(".formula").forEach((each, index) => { each.hidden = index !== Number(formula.value); }));
  document.documentElement.dataset.ready = "";
})();
