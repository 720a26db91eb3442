// The report as report.json has it, what is selected in it, and the words for it. Whatever shows the
// selection is in `watchers` and is called after every change.

const report = fromColumns(parsed('report-data'));
const {rows} = report;
const rowById = new Map(rows.map((row) => [row.id, row]));
const uncachedByModel = new Map(rows.filter((row) => row.policy === 'none').map((row) => [row.model, row]));
const modelByName = new Map(report.models.map((model) => [model.name, model]));
const severalModels = report.models.length > 1;
const severalSeeds = report.context.seeds.length > 1;

const keyOf = (video) => `${video.prompt}:${video.seed}`;
const videosOf = new Map();  // row -> its videos by key, made when first asked for

function videoOf(row, key) {
  if (!row) return undefined;
  if (!videosOf.has(row)) videosOf.set(row, new Map(row.videos.map((video) => [keyOf(video), video])));
  return videosOf.get(row).get(key);
}

const known = (value) => value !== null && value !== undefined;

// Made by the program, so that page, tables and sentences say the same.
const labels = parsed('label-data');
const policyName = (row) => labels.policies[row.policy];
const ownLabelOf = (row) => labels.rows[row.id];  // without the model's name

const labelOf = (row) => (severalModels ? `${row.model}: ${ownLabelOf(row)}` : ownLabelOf(row));

function promptOf(video) {
  return report.context.test_prompts[video.prompt] || `prompt ${video.prompt + 1}`;
}

const videoLabelOf = (video) => `${video.prompt + 1}. ${promptOf(video)}${severalSeeds ? ` (seed ${video.seed})` : ''}`;

// The metrics of the report as far as any row has them, the one that decides first. `unbounded`: of
// identical videos, which have no number, it is infinite.
const metrics = report.metrics.map(({name, label, unit, digits, best, higher_is_better: up}) => ({name, label, digits, up,
  unit: unit ? ` ${unit}` : '', unbounded: best === null,
  pooled: (row) => row.scores[name], of: (video) => video.scores?.[name]})).filter((metric) => rows.some((row) => metric.pooled(row)));
// Those that tell the settings apart, and the floor's.
const shownMetrics = metrics.filter(({name}) => !labels.folded.includes(name));

// What TeaCache and its baselines are compared by: [metric, difference of the comparison].
function decidingDifference(comparison) {
  const metric = metrics.find(({name}) => comparison.differences[name]);
  return metric ? [metric, comparison.differences[metric.name]] : null;
}

const bracket = (interval, digits) => (interval ? `(${fixed(interval.lo, digits)}–${fixed(interval.hi, digits)})` : '');

// Over how many videos a mean is where others are identical, and the mean with those as 100 dB.
function cappedWords(metric, pooled) {
  if (!known(pooled.capped_mean)) return '';
  return ` over ${pooled.n}; ${fixed(pooled.capped_mean, metric.digits)} over ${pooled.n + pooled.identical} with identical ones as 100`;
}

function meanText(metric, row) {
  const pooled = metric.pooled(row);
  if (!pooled) return '–';
  if (!known(pooled.mean)) return pooled.identical > 0 ? 'identical' : '–';
  const text = `${fixed(pooled.mean, metric.digits)}${metric.unit} ${bracket(pooled.ci95, metric.digits)}`.trim();
  return `${text}${cappedWords(metric, pooled)}`;
}

// 0 = not known, as there are no times.
const knownSpeedup = (speedup) => (speedup.value > 0 ? speedup.value : null);
const speedupText = (speedup) => (speedup.value > 0 ? `${fixed(speedup.value, 2)}×` : '–');

const computedCalls = (video) => (video.computed ? [...video.computed].filter((call) => call === '1').length : 0);

// ---------------------------------------------------------------- hovering

const skipWords = (row) => (row.longest_skip >= 0 ? `, longest skip ${row.longest_skip}` : '');

function rowHover(row) {
  const lines = [`<b>${escapeHtml(labelOf(row))}</b>`,
    ...(row.calls ? [`${fixed(row.computed_mean, 1)} of ${row.calls} calls computed${skipWords(row)}`] : []),
    `speed-up ${speedupText(row.speedup_total)} ${bracket(row.speedup_total.ci95, 2)}`,
    ...shownMetrics.filter((metric) => metric.pooled(row)).map((metric) => `${escapeHtml(metric.label)} ${meanText(metric, row)}`)];
  if (row.failed) lines.push(`${row.failed} of ${row.videos.length} videos failed or missing`);
  return lines.join('<br>');
}

function videoHover(row, video) {
  return [`<b>${escapeHtml(labelOf(row))}</b>`, escapeHtml(videoLabelOf(video)),
    `${computedCalls(video)} of ${row.calls} calls computed`,
    ...metrics.filter((metric) => known(metric.of(video))).map((metric) =>
      `${escapeHtml(metric.label)} ${fixed(metric.of(video), metric.digits)}${metric.unit}`)].join('<br>');
}

// ---------------------------------------------------------------- what is selected

const state = {row: null, video: '', x: hash.get('x') === 'calls' ? 'calls' : 'speed'};
const watchers = [];

// The setting named by the address, else the best one, else the TeaCache setting in the middle.
function firstRow() {
  if (rowById.has(hash.get('setting'))) return rowById.get(hash.get('setting'));
  const cached = rows.filter((row) => row.policy === 'teacache' && row.threshold > 0);
  if (hash.has('threshold')) {
    const wanted = Number(hash.get('threshold'));
    const found = cached.find((row) => Math.abs(row.threshold - wanted) <= 1e-9 + 1e-6 * wanted);
    if (found) return found;
  }
  const best = document.querySelector('.choice tr[data-row]:not(.misses)');
  if (best) return rowById.get(best.dataset.row);
  return cached[Math.floor((cached.length - 1) / 2)] || rows.find((row) => row.policy !== 'none') || rows[0];
}

function firstVideo(row) {
  const prompt = Number(hash.get('prompt') || 1) - 1;
  const seed = hash.get('seed');
  const found = row.videos.find((video) => video.prompt === prompt &&
      (seed === null || String(video.seed) === seed)) || row.videos[0];
  return found ? keyOf(found) : '';
}

function setAxis(x) {
  state.x = x;
}

function writeHash() {
  const [prompt, seed] = state.video.split(':');
  const parts = new URLSearchParams();
  parts.set('setting', state.row.id);
  if (state.video) parts.set('prompt', Number(prompt) + 1);
  if (state.video && severalSeeds) parts.set('seed', seed);
  if (state.x === 'calls') parts.set('x', 'calls');
  if (hash.has('theme')) parts.set('theme', isDark() ? 'dark' : 'light');
  history.replaceState(null, '', `#${parts}`);
}

function select(row, video) {
  state.row = row;
  if (video && videoOf(row, video)) state.video = video;
  if (!videoOf(row, state.video)) state.video = row.videos.length ? keyOf(row.videos[0]) : '';
  for (const watcher of watchers) watcher();
}

// As select(), by the reader: the address follows.
function choose(row, video) {
  if (!row) return;
  select(row, video);
  writeHash();
}
