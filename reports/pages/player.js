// Side by side: the uncached video leads, the cached one follows. The difference is painted from the two
// video elements by the canvas' own blending, which needs no access to pixels and therefore works from
// file://; it is painted only while both show the same frame.

// Videos that are part of the page, by their path beside it.
const embedded = new Map([...document.querySelectorAll('script.video')].map((holder) => [holder.dataset.path, holder]));
const embeddedAddress = new Map();

function addressOf(path) {
  if (!path) return '';
  const holder = embedded.get(path);
  // Parts of a path may hold characters that mean something in an address.
  if (!holder) return path.split('/').map(encodeURIComponent).join('/');
  if (!embeddedAddress.has(path)) {
    const video = new Blob([bytesOfBase64(holder.textContent)], {type: holder.dataset.mime});
    embeddedAddress.set(path, URL.createObjectURL(video));
  }
  return embeddedAddress.get(path);
}

const player = {
  lead: byId('video-uncached'),
  follow: byId('video-cached'),
  canvas: byId('video-difference'),
  playing: !matchMedia('(prefers-reduced-motion: reduce)').matches,
  times: new Map(),  // media time of the frame that an element shows

  frameSeconds() {
    const model = modelByName.get(state.row.model);
    return model && model.fps > 0 ? 1 / model.fps : 1 / 8;
  },

  setSource(video, path) {
    if (video.dataset.path === (path || '')) return;
    video.dataset.path = path || '';
    this.times.delete(video);
    delete video.dataset.loaded;
    if (path) {
      video.src = addressOf(path);
    } else {
      video.removeAttribute('src');
      video.load();
    }
  },

  load() {
    const video = videoOf(state.row, state.video);
    const uncached = videoOf(uncachedByModel.get(state.row.model), state.video);
    byId('cached-label').textContent = labelOf(state.row);
    this.follow.setAttribute('aria-label', `Video of ${labelOf(state.row)}`);
    delete this.canvas.dataset.painted;
    this.say(this.whyNot(video, uncached));
    this.setSource(this.lead, uncached && !uncached.error && uncached.path);
    this.setSource(this.follow, video && !video.error && video.path);
    this.showSchedules(video);
    this.restart();
  },

  // Why there is nothing to play; '' = there may be.
  whyNot(video, uncached) {
    if (!video) return 'This setting has no video of this prompt and seed.';
    if (video.error) return `This video failed: ${video.error}`;
    if (!uncached) return 'There is no uncached video of this prompt and seed to compare with.';
    if (uncached.error) return `The uncached video failed: ${uncached.error}`;
    if (!video.path || !uncached.path) return 'The videos of this setting were not kept.';
    return '';
  },

  // With a reason the panes make room for it: an empty player says nothing.
  say(text) {
    byId('video-note').textContent = text;
    byId('panes').hidden = Boolean(text);
    byId('scrubber').hidden = Boolean(text);
    for (const button of document.querySelectorAll('.transport button')) button.disabled = Boolean(text);
  },

  cannotPlay(video) {
    if (!video.getAttribute('src') || byId('video-note').textContent) return;
    this.say(`The video ${video.dataset.path} is not beside this page, or this browser cannot play it. ` +
        'The charts and tables need no videos; to see them, copy the folder of videos along with the page, ' +
        'or have the page made with the videos inside (sweep-report --embed-videos).');
  },

  showSchedules(video) {
    const cells = (schedule, other) => [...schedule].map((call, index) => {
      const differs = Boolean(other) && other[index] !== call;
      const words = `call ${index}: ${call === '1' ? 'computed' : 'from the cache'}`;
      return element('i', {className: `${call === '1' ? 'on' : ''}${differs ? ' differs' : ''}`,
        title: differs ? `${words}, unlike the ${other === video.replayed ? 'replay' : 'live run'}` : words});
    });
    const list = (schedule) => [...schedule].flatMap((call, index) => (call === '1' ? [index] : [])).join(', ');
    const live = video?.computed || '';
    const replayed = video?.replayed && video.replayed.length === live.length && video.replayed !== live ? video.replayed : '';
    byId('schedule').replaceChildren(...cells(live, replayed));
    byId('replayed').replaceChildren(...cells(replayed, live));
    byId('replayed').hidden = byId('replayed-label').hidden = !replayed;
    byId('schedule').parentElement.hidden = !live;
    byId('schedule').setAttribute('aria-label', `Computed calls of ${live.length}: ${list(live)}`);
    byId('replayed').setAttribute('aria-label', `Computed calls in the replay: ${list(replayed)}`);
    const calls = `${computedCalls(video || {})} of ${state.row.calls} calls computed`;
    const count = [...replayed].filter((call, index) => call !== live[index]).length;
    byId('schedule-label').textContent = !replayed ? calls : `${calls} live`;
    byId('replayed-label').textContent = replayed ? `Replay of the uncached signal: differs at ${count} calls` : '';
  },

  both(action) { [this.lead, this.follow].forEach(action); },

  seek(seconds) {
    this.both((video) => { if (video.getAttribute('src')) video.currentTime = Math.max(0, seconds); });
  },

  restart() {
    this.seek(0);
    this.setPlaying(this.playing);
  },

  setPlaying(playing) {
    this.playing = playing;
    byId('play').textContent = playing ? 'Pause' : 'Play';
    this.both((video) => {
      video.playbackRate = Number(byId('rate').value);
      if (!video.getAttribute('src')) return;
      if (playing) video.play().catch(() => {});
      else video.pause();
    });
  },

  step(frames) {
    this.setPlaying(false);
    const duration = this.lead.duration || 0;
    const middle = (Math.floor(this.lead.currentTime / this.frameSeconds()) + frames + 0.5) * this.frameSeconds();
    this.seek(Math.min(Math.max(middle, 0), Math.max(duration - 0.01, 0)));
  },

  sameFrame() {
    const [a, b] = [this.times.get(this.lead), this.times.get(this.follow)];
    if (a === undefined || b === undefined) return !this.lead.requestVideoFrameCallback;
    return Math.abs(a - b) < this.frameSeconds() / 2;
  },

  paint() {
    const {lead, follow, canvas} = this;
    if (lead.readyState < 2 || follow.readyState < 2 || !this.sameFrame()) return;
    if (canvas.width !== lead.videoWidth || canvas.height !== lead.videoHeight) {
      canvas.width = lead.videoWidth;
      canvas.height = lead.videoHeight;
    }
    const context = canvas.getContext('2d');
    context.globalCompositeOperation = 'copy';
    context.drawImage(lead, 0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = 'difference';
    context.drawImage(follow, 0, 0, canvas.width, canvas.height);
    canvas.dataset.painted = 'yes';
  },

  watch(video) {
    if (!video.requestVideoFrameCallback) {
      video.addEventListener('timeupdate', () => this.paint());
      return;
    }
    const seen = (now, frame) => {
      this.times.set(video, frame.mediaTime);
      this.paint();
      video.requestVideoFrameCallback(seen);
    };
    video.requestVideoFrameCallback(seen);
  },

  // While playing, the follower is set right whenever it is more than half a frame away.
  keepTogether() {
    const {lead, follow} = this;
    if (this.playing && lead.readyState >= 2 && follow.readyState >= 2 && !follow.seeking &&
        Math.abs(lead.currentTime - follow.currentTime) > this.frameSeconds() / 2) {
      follow.currentTime = lead.currentTime;
    }
    if (lead.duration) byId('scrubber').value = lead.currentTime / lead.duration;
  },

  setGain(gain) {
    this.canvas.style.filter = `brightness(${gain})`;
    byId('gain-label').textContent = `×${gain}`;
  },

  sized(video) {
    video.dataset.loaded = 'yes';
    // Small pictures stay pixels: smoothing would hide what differs.
    const small = video.videoWidth > 0 && video.videoWidth < 240;
    video.classList.toggle('small', small);
    this.canvas.classList.toggle('small', small);
    this.canvas.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
    const {lead, follow} = this;
    const known = lead.videoWidth > 0 && follow.videoWidth > 0;
    const same = lead.videoWidth === follow.videoWidth && lead.videoHeight === follow.videoHeight;
    byId('size-note').textContent = !known || same ? '' :
      `The sizes differ (${lead.videoWidth}×${lead.videoHeight} and ${follow.videoWidth}×${follow.videoHeight}): ` +
      'the difference is of pictures that were stretched to one size.';
  },

  start() {
    this.both((video) => {
      this.watch(video);
      video.addEventListener('loadeddata', () => this.sized(video));
      video.addEventListener('error', () => this.cannotPlay(video));
    });
    this.lead.addEventListener('ended', () => { if (this.playing) this.restart(); });
    this.lead.addEventListener('timeupdate', () => this.keepTogether());
    byId('play').addEventListener('click', () => {
      if (!this.playing && this.lead.ended) this.seek(0);
      this.setPlaying(!this.playing);
    });
    byId('step-back').addEventListener('click', () => this.step(-1));
    byId('step-forward').addEventListener('click', () => this.step(1));
    byId('rate').addEventListener('change', () => this.setPlaying(this.playing));
    byId('gain').addEventListener('change', (event) => this.setGain(event.target.value));
    byId('scrubber').addEventListener('input', (event) => {
      this.setPlaying(false);
      this.seek(Number(event.target.value) * (this.lead.duration || 0));
    });
    this.setGain(byId('gain').value);
    // Narrow screens have room for one picture.
    for (const button of document.querySelectorAll('[data-pane]')) {
      button.addEventListener('click', () => {
        byId('panes').dataset.shown = button.dataset.pane;
        for (const other of document.querySelectorAll('[data-pane]')) {
          other.setAttribute('aria-pressed', String(other === button));
        }
      });
    }
  },
};

player.start();
watchers.push(() => player.load());
