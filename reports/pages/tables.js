// The two tables: a line per setting, a line per video.

const withInterval = (name, value, interval) => [[name, value],
  [`${name}, 95 % from`, (item) => interval(item)?.lo], [`${name}, 95 % to`, (item) => interval(item)?.hi]];

function number(title, value, text, more = {}) {
  return {title, value, text, numeric: true, ...more};
}

function metricColumns(metric) {
  const pooled = (row) => metric.pooled(row);
  const name = metric.label + (metric.unit ? `,${metric.unit}` : '');
  // Identical videos are better than any number.
  const value = (row) => (pooled(row)?.mean ?? (pooled(row)?.identical > 0 ? Infinity : null));
  const columns = [number(name, value,
    (row) => (known(pooled(row)?.mean) ? fixed(pooled(row).mean, metric.digits) : meanText(metric, row)),
    {small: (row) => bracket(pooled(row)?.ci95, metric.digits) + (pooled(row) ? cappedWords(metric, pooled(row)) : ''),
      csv: withInterval(name, (row) => pooled(row)?.mean, (row) => pooled(row)?.ci95)})];
  if (metric !== metrics[0]) return columns;
  // Below 20 videos the worst one.
  const share = rows.some((row) => known(pooled(row)?.p5));
  const worst = `${share ? 'worst 5 %' : 'worst video'},${metric.unit}`;
  const of = (row) => (share ? pooled(row)?.p5 : pooled(row)?.worst);
  return [...columns, number(worst, of, (row) => fixed(of(row), metric.digits),
    {small: (row) => bracket(pooled(row)?.p5_ci95, metric.digits),
      csv: withInterval(worst, of, (row) => pooled(row)?.p5_ci95)})];
}

const uniformComparison = new Map(report.comparisons
  .filter((comparison) => decidingDifference(comparison) && rowById.get(comparison.b)?.policy === 'uniform')
  .map((comparison) => [comparison.a, comparison]));

function uniformColumn() {
  const [{label, unit, digits}] = decidingDifference([...uniformComparison.values()][0]);
  const difference = (row) => (uniformComparison.has(row.id) ? decidingDifference(uniformComparison.get(row.id))[1] : undefined);
  const verdict = (row) => ({1: 'better', 0: 'no difference', '-1': 'worse'}[uniformComparison.get(row.id)?.verdict] || '');
  const what = unit.trim() || label;
  return number(`− uniform, ${what}`, (row) => difference(row)?.mean,
    (row) => (difference(row) ? `${signed(difference(row).mean, digits)} ${verdict(row)}`.trim() : '–'),
    {small: (row) => (difference(row) ? `(${signed(difference(row).ci95.lo, digits)} to ${signed(difference(row).ci95.hi, digits)})` : ''),
      csv: withInterval(`minus uniform, ${what}`, (row) => difference(row)?.mean, (row) => difference(row)?.ci95)});
}

function shownShare(row) {
  return row.adherence.length ? row.adherence.reduce((sum, axis) => sum + axis.share, 0) / row.adherence.length : null;
}

const frontRows = new Set((report.fronts || []).filter((front) => front.metric === metrics[0]?.name).flatMap((front) => front.rows));
const knees = new Set((report.fronts || []).filter((front) => front.metric === metrics[0]?.name).map((front) => front.knee));

// Videos that a setting should have: those of its model's other settings.
const expectedVideos = new Map();
for (const row of rows) {
  if (!expectedVideos.has(row.model)) expectedVideos.set(row.model, new Set());
  for (const video of row.videos) expectedVideos.get(row.model).add(keyOf(video));
}
const goodVideos = (row) => row.videos.filter((video) => !video.error).length;
const lacking = (row) => expectedVideos.get(row.model).size - goodVideos(row);

function settingColumns() {
  const seconds = (timing) => (timing.n ? fixed(timing.median, 3) : '–');
  const columns = [];
  const text = (title, of, more = {}) => ({title, text: of, value: of, ...more});
  if (severalModels) columns.push(text('model', (row) => row.model));
  columns.push(text('setting', ownLabelOf, {header: true}));
  columns.push(number('computed', (row) => row.computed_mean, (row) => (row.calls ? `${fixed(row.computed_mean, 1)} / ${row.calls}` : '–'),
    {csv: [['computed calls', (row) => row.computed_mean], ['calls', (row) => row.calls]]}));
  const skip = (row) => (row.longest_skip >= 0 ? row.longest_skip : null);
  columns.push(number('longest skip', skip, (row) => String(skip(row) ?? '–'), {screenOnly: true}));
  columns.push(number('seconds', (row) => (row.total.n ? row.total.median : null), (row) => seconds(row.total),
    {small: (row) => (row.total.n ? `(${fixed(row.total.lo, 3)}–${fixed(row.total.hi, 3)})` : ''),
      csv: [['seconds, median', (row) => row.total.median], ['seconds, 25th percentile', (row) => row.total.lo],
        ['seconds, 75th percentile', (row) => row.total.hi], ['seconds, measurements', (row) => row.total.n]]}));
  const speedup = (row) => knownSpeedup(row.speedup_total);
  columns.push(number('speed-up', speedup, (row) => speedupText(row.speedup_total),
    {small: (row) => bracket(row.speedup_total.ci95, 2), csv: withInterval('speed-up', speedup, (row) => row.speedup_total.ci95)}));
  const transformer = (row) => knownSpeedup(row.speedup_transformer);
  columns.push(number('transformer', transformer, (row) => speedupText(row.speedup_transformer),
    {screenOnly: true, csv: [['speed-up of the transformer', transformer]]}));
  for (const metric of shownMetrics) columns.push(...metricColumns(metric));
  if (uniformComparison.size) columns.push(uniformColumn());
  if (rows.some((row) => row.adherence.length)) {
    columns.push(number('prompt shown', shownShare, (row) => (known(shownShare(row)) ? `${fixed(100 * shownShare(row), 0)} %` : '–')));
  }
  if (frontRows.size) {
    const front = (row) => (knees.has(row.id) ? 'knee' : frontRows.has(row.id) ? 'front' : '');
    columns.push(text('Pareto', front));
  }
  if (rows.some((row) => row.bytes > 0)) {
    columns.push(number('MB', (row) => row.bytes / 1e6, (row) => (row.bytes ? fixed(row.bytes / 1e6, 2) : '–'), {screenOnly: true}));
  }
  columns.push(number('videos', goodVideos,
    (row) => (lacking(row) ? `${goodVideos(row)} of ${expectedVideos.get(row.model).size}` : String(goodVideos(row))),
    {small: (row) => (lacking(row) ? 'incomplete' : ''), warns: (row) => lacking(row) > 0,
      csv: [['videos', goodVideos], ['failed or missing', lacking]]}));
  return columns;
}

function videoColumns() {
  const columns = [];
  const text = (title, of, more = {}) => ({title, text: of, value: of, ...more});
  const measured = (seconds) => (seconds >= 0 ? seconds : null);
  columns.push(text('setting', ({row}) => labelOf(row), {header: true}));
  columns.push(text('prompt', ({video}) => `${video.prompt + 1}. ${promptOf(video)}`,
    {csv: [['prompt number', ({video}) => video.prompt + 1], ['prompt', ({video}) => promptOf(video)]]}));
  columns.push(number('seed', ({video}) => video.seed, ({video}) => String(video.seed)));
  columns.push(number('computed', ({video}) => (video.computed ? computedCalls(video) : null),
    ({row, video}) => (video.computed ? `${computedCalls(video)} / ${row.calls}` : '–')));
  columns.push(number('seconds', ({video}) => measured(video.total_seconds), ({video}) => fixed(measured(video.total_seconds), 3)));
  for (const metric of metrics) {
    const of = ({video}) => metric.of(video);
    columns.push(number(metric.label + (metric.unit ? `,${metric.unit}` : ''), (item) => of(item) ??
      (item.video.identical && metric.unbounded ? Infinity : null),
    (item) => (known(of(item)) ? fixed(of(item), metric.digits) : item.video.identical && !item.video.error ? 'identical' : '–')));
  }
  columns.push(text('state', ({video}) => video.error || 'fine', {warns: ({video}) => Boolean(video.error)}));
  return columns;
}

const videoItems = rows.flatMap((row) => row.videos.map((video) => ({row, video})));

const tables = {
  settings: new BigTable(byId('settings'), {name: 'setting', columns: settingColumns(), items: rows, textOf: labelOf,
    isSelected: (row) => row === state.row, choose: (row) => choose(row)}),
  videos: new BigTable(byId('videos'), {name: 'video', columns: videoColumns(), items: videoItems,
    textOf: ({row, video}) => `${labelOf(row)} ${promptOf(video)} ${video.error}`,
    isSelected: ({row, video}) => row === state.row && keyOf(video) === state.video,
    choose: ({row, video}) => choose(row, keyOf(video))}),
};
let shownTable = 'settings';

function showTable(name) {
  shownTable = name;
  for (const button of document.querySelectorAll('[data-table]')) {
    button.setAttribute('aria-pressed', String(button.dataset.table === name));
  }
  for (const [key, table] of Object.entries(tables)) table.scroller.hidden = key !== name;
  byId('filter').value = tables[name].words.join(' ');
  tables[name].refresh();
}

for (const button of document.querySelectorAll('[data-table]')) {
  button.addEventListener('click', () => showTable(button.dataset.table));
}
byId('filter').addEventListener('input', (event) => tables[shownTable].filter(event.target.value));
byId('csv').addEventListener('click', () => saveText(tables[shownTable].csv(), 'text/csv', `teacache-${shownTable}.csv`));

const mostPrinted = 80;
addEventListener('beforeprint', () => {
  const table = tables[shownTable];
  const more = table.shown.length - mostPrinted;
  byId('printed-note').textContent = more <= 0 ? '' :
    `${more} more lines are in ${shownTable === 'settings' ? 'report.csv' : 'videos.csv'} beside the page.`;
  table.expand(mostPrinted);
});
addEventListener('afterprint', () => tables[shownTable].collapse());
watchers.push(() => Object.values(tables).forEach((table) => table.mark()));
