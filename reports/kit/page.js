// What every page has: theme, charts with legend and download, printing. The scripts of a page stand in
// one function, this one first; the page's own script calls addChart() for each chart and then begin().

const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);

// As the texts of the programs print numbers: a value that lies exactly between two goes to the even one.
function fixed(value, digits) {
  if (!Number.isFinite(value)) return '–';
  const text = value.toFixed(digits);
  const exact = value.toFixed(digits + 60);
  const rest = exact.slice(exact.length - 60);
  if (!/^50*$/.test(rest) || Number(text.at(-1)) % 2 === 0) return text;
  return exact.slice(0, exact.length - (digits ? 60 : 61));
}

const signed = (value, digits) => (value < 0 ? '−' : '+') + Math.abs(value).toFixed(digits);
const short = (value) => String(Number(value.toPrecision(4)));
const escapeHtml = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const hash = new URLSearchParams(location.hash.slice(1));  // what the address asks for; only here it changes

function readAddress() {
  for (const key of [...hash.keys()]) hash.delete(key);
  new URLSearchParams(location.hash.slice(1)).forEach((value, key) => hash.set(key, value));
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Lets the browser show what there is and react to the reader.
const pause = () => new Promise((resolve) => { setTimeout(resolve); });

function bytesOfBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function unpacked(text) {
  const stream = new Blob([bytesOfBase64(text)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).text();
}

// What is packed is put into place before any of the page's own script runs.
try {
  await Promise.all([...document.querySelectorAll('script[data-packed]')].map(async (holder) => {
    holder.textContent = await unpacked(holder.textContent);
  }));
} catch (error) {
  document.querySelector('main').prepend(element('p', {className: 'warning',
    textContent: 'This browser is too old for this page (it needs DecompressionStream).'}));
  return;
}

// ---------------------------------------------------------------- theme

const systemDark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => document.documentElement.dataset.theme === 'dark';
const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  byId('theme').textContent = dark ? 'Light' : 'Dark';
}

// ---------------------------------------------------------------- drawing

// {name, figure: the element, plot, make: () => {data, layout}, clicked: (point) => {}, drawn: () => {}}
const charts = [];
let plotlyReady = false;

function addChart(figure, make, {clicked, drawn} = {}) {
  const chart = {name: figure.dataset.figure, figure, plot: figure.querySelector('.plot'), make, clicked, drawn};
  charts.push(chart);
  for (const button of figure.querySelectorAll('[data-save]')) {
    button.addEventListener('click', () => save(chart, button.dataset.save.toLowerCase()));
  }
  for (const button of figure.querySelectorAll('[data-variant]')) {
    button.addEventListener('click', () => {
      figure.dataset.chosen = button.dataset.variant;
      for (const other of figure.querySelectorAll('[data-variant]')) {
        other.setAttribute('aria-pressed', String(other === button));
      }
      draw(chart);
    });
  }
  return chart;
}

// The variant that the reader chose; '' = the first.
const variantOf = (chart) => chart.figure.dataset.chosen || '';

const axisNames = (layout) => Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));

function themedLayout(layout) {
  const themed = {...layout, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', showlegend: false,
    hovermode: 'closest', dragmode: 'zoom',
    font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: colorOf('--muted')},
    hoverlabel: {bgcolor: colorOf('--surface'), bordercolor: colorOf('--line'),
      font: {color: colorOf('--ink'), size: 12}, align: 'left'}};
  for (const name of axisNames(layout)) {
    themed[name] = {gridcolor: colorOf('--line'), linecolor: colorOf('--line'), zeroline: false,
      automargin: true, ...(layout[name].overlaying ? {tickmode: 'auto'} : {}), ...layout[name]};
    if (layout[name].zeroline) Object.assign(themed[name], {zerolinecolor: colorOf('--muted'), zerolinewidth: 1.5});
  }
  return themed;
}

// Colours of the page may stand in a figure as "var(--name)".
function themedColors(value) {
  if (typeof value === 'string') return /^var\(--[\w-]+\)$/.test(value) ? colorOf(value.slice(4, -1)) : value;
  if (Array.isArray(value)) {
    // Numbers are most of a figure; [0, "var(--line)"] is a stop of a colour scale.
    return typeof value[0] === 'number' && typeof value[1] !== 'string' ? value : value.map(themedColors);
  }
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) =>
    [key, /^(x|y|z|text|customdata|ids)$/.test(key) ? item : themedColors(item)]));
}

// Whether the reader switched the trace off in the drawing that there is.
function isHidden(plot, trace, index) {
  const drawn = plot.data?.[index];
  return drawn?.visible === 'legendonly' && drawn.name === trace.name;
}

async function draw(chart) {
  if (!plotlyReady || chart.figure.hidden) return;
  const {plot} = chart;
  const figure = chart.make();
  const data = themedColors(figure.data);
  drawLegend(chart, data);
  data.forEach((trace, index) => { if (isHidden(plot, trace, index)) trace.visible = 'legendonly'; });
  if (figure.layout.height) plot.style.height = plot.style.minHeight = `${figure.layout.height}px`;
  await Plotly.react(plot, data, themedLayout(themedColors(figure.layout)), {responsive: true, displayModeBar: false});
  if (!plot.dataset.listening) {
    plot.dataset.listening = 'yes';
    plot.on('plotly_click', (event) => chart.clicked?.(event.points[0]));
  }
  chart.figure.dataset.drawn = 'yes';
  chart.drawn?.(chart);
}

// The first charts are seen at once; the others follow without making the page wait.
async function drawAll() {
  for (const chart of charts) {
    await draw(chart);
    await pause();
  }
}

// ---------------------------------------------------------------- legend

const dashes = {dash: '6 3', dot: '2 3', dashdot: '6 3 2 3', longdash: '9 3'};
const symbols = {
  circle: 'M11 1a4 4 0 1 1-.01 0Z', square: 'M7.5 1.5h7v7h-7Z', diamond: 'M11 0l5 5-5 5-5-5Z',
  'triangle-up': 'M11 .5l4.5 8.5h-9Z', cross: 'M9.6 1h2.8v2.6H15v2.8h-2.6V9H9.6V6.4H7V3.6h2.6Z',
  star: 'M11 0l1.5 3.4 3.7.4-2.8 2.4.8 3.7-3.2-1.9-3.2 1.9.8-3.7L5.8 3.8l3.7-.4Z',
};

function colorOfTrace(trace) {
  const candidates = [trace.line?.color, trace.marker?.color, trace.fillcolor, trace.marker?.colorscale?.[1]?.[1]];
  return candidates.find((color) => typeof color === 'string' && !/^(rgba\(0,0,0,0\)|transparent)$/.test(color)) ||
      colorOf('--muted');
}

function legendKey(trace) {
  const color = escapeHtml(colorOfTrace(trace));
  const lines = trace.type === 'scatter' && trace.mode?.includes('lines') && trace.line?.width !== 0;
  const dots = trace.type !== 'scatter' || trace.mode?.includes('markers');
  const symbol = typeof trace.marker?.symbol === 'string' ? trace.marker.symbol : '';
  const open = symbol.endsWith('-open');
  return '<svg viewBox="0 0 22 10" aria-hidden="true">' +
      (trace.fill ? `<path d="M0 1H22V9H0Z" fill="${escapeHtml(trace.fillcolor || color)}"/>` : '') +
      (lines ? `<path d="M0 5H22" stroke="${color}" stroke-width="${Math.min(trace.line?.width || 2, 5)}" ` +
          `stroke-dasharray="${dashes[trace.line?.dash] || ''}"/>` : '') +
      (dots ? `<path d="${symbols[symbol.replace('-open', '')] || symbols.circle}" ` +
          `fill="${open ? 'none' : color}" stroke="${open ? color : 'none'}" stroke-width="1.5"/>` : '') + '</svg>';
}

// One button per named trace, with its colour and stroke; a click hides or shows it and its group.
function legendEntry(chart, data, index) {
  const trace = data[index];
  const {plot} = chart;
  const button = element('button', {type: 'button', innerHTML: legendKey(trace), title: 'Show or hide'});
  button.setAttribute('aria-pressed', String(!isHidden(plot, trace, index)));
  button.append(trace.name);
  button.addEventListener('click', () => {
    const show = button.getAttribute('aria-pressed') === 'false';
    button.setAttribute('aria-pressed', String(show));
    const group = data.map((other, i) => i).filter((i) =>
      i === index || (trace.legendgroup && data[i].legendgroup === trace.legendgroup));
    Plotly.restyle(plot, {visible: show ? true : 'legendonly'}, group);
  });
  return button;
}

function drawLegend(chart, data) {
  const named = data.map((trace, index) => index).filter((index) => data[index].name && data[index].showlegend !== false);
  let legend = chart.figure.querySelector('.legend');
  if (!legend) {
    legend = element('div', {className: 'legend'});
    chart.plot.before(legend);
  }
  legend.replaceChildren(...named.map((index) => legendEntry(chart, data, index)));
}

// ---------------------------------------------------------------- download

function saveLink(address, name) {
  element('a', {href: address, download: name}).click();
}

function saveText(text, type, name) {
  const address = URL.createObjectURL(new Blob([text], {type}));
  saveLink(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function csvText(lines) {
  const quoted = (value) => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map((line) => `${line.map(quoted).join(',')}\n`).join('');
}

// One line per mark. Error bars are written as the ends of their intervals.
function csvOfChart(chart) {
  const lines = [['series', 'id', 'x', 'x_lo', 'x_hi', 'y', 'y_lo', 'y_hi', 'value']];
  const end = (middle, bars, key, index, sign) =>
    (bars?.[key]?.[index] === null || bars?.[key]?.[index] === undefined ? '' : middle + sign * bars[key][index]);
  for (const trace of chart.plot.data) {
    if (trace.meta?.band || trace.meta?.ring) continue;
    const idOf = (data) => (Array.isArray(data) ? data.join(' ') : data);
    if (trace.z) {
      trace.z.forEach((line, i) => line.forEach((value, k) => lines.push([trace.name,
        idOf(trace.customdata?.[i]?.[k]), trace.x?.[k] ?? k, '', '', trace.y?.[i] ?? i, '', '', value])));
      continue;
    }
    (trace.x || []).forEach((x, i) => {
      const y = trace.y[i];
      lines.push([trace.name, idOf(trace.customdata?.[i]),
        x, end(x, trace.error_x, 'arrayminus', i, -1), end(x, trace.error_x, 'array', i, 1),
        y, end(y, trace.error_y, 'arrayminus', i, -1), end(y, trace.error_y, 'array', i, 1), '']);
    });
  }
  const used = lines[0].map((name, column) => lines.some((line, i) => i > 0 && line[column] !== '' && line[column] !== undefined));
  return csvText(lines.map((line) => line.filter((value, column) => used[column])));
}

const titleOf = (chart) => chart.figure.querySelector('h3').textContent;

// As a picture in its own right: with title and legend, on a ground that text can be read on.
async function picture(chart, format) {
  const {plot} = chart;
  const height = Math.max(560, plot.layout.height || 0);
  const layout = {...plot.layout, showlegend: plot.data.some((trace) => trace.name),
    paper_bgcolor: colorOf('--surface'), width: 900, height,
    title: {text: escapeHtml(titleOf(chart)), x: 0.02, y: 1, yref: 'container', yanchor: 'top', pad: {t: 16}},
    legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', traceorder: 'normal'},
    margin: {...plot.layout.margin, t: 90}};
  return Plotly.toImage({data: plot.data, layout}, {format, width: 900, height, scale: format === 'png' ? 2 : 1});
}

async function save(chart, format) {
  const name = `teacache-${chart.name}.${format}`;
  if (format === 'csv') saveText(csvOfChart(chart), 'text/csv', name);
  else saveLink(await picture(chart, format), name);
}

// ---------------------------------------------------------------- printing

// Paper is white, whatever the screen shows, and narrower: the drawings become scalable.
let darkBefore = false;

function preparePrint() {
  darkBefore = isDark();
  if (darkBefore) {
    setTheme(false);
    charts.forEach(draw);
  }
  for (const svg of document.querySelectorAll('.plot .main-svg')) {
    const [width, height] = [svg.getAttribute('width'), svg.getAttribute('height')];
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.parentElement.closest('.svg-container').style.aspectRatio = `${width} / ${height}`;
  }
}

function afterPrint() {
  for (const svg of document.querySelectorAll('.plot .main-svg')) svg.removeAttribute('viewBox');
  if (!darkBefore) return;
  setTheme(true);
  charts.forEach(draw);
}

// ---------------------------------------------------------------- start

async function loadPlotly() {
  document.head.append(element('script', {textContent: await unpacked(byId('plotly').textContent)}));
  plotlyReady = true;
}

async function begin() {
  try {
    await loadPlotly();
  } catch (error) {
    for (const chart of charts) chart.plot.textContent = 'This browser is too old for the charts (it needs DecompressionStream).';
    return;
  }
  await drawAll();
  document.documentElement.dataset.ready = 'yes';
}

setTheme(hash.has('theme') ? hash.get('theme') === 'dark' : systemDark.matches);
byId('theme').addEventListener('click', () => { setTheme(!isDark()); drawAll(); });
systemDark.addEventListener('change', (event) => { setTheme(event.matches); drawAll(); });
byId('print').addEventListener('click', () => print());
addEventListener('beforeprint', preparePrint);
addEventListener('afterprint', afterPrint);
