# For tests of downloads: a server on this machine. Sourced; sets FOLDER (removed at exit) and BUILD_SH,
# and defines fail and server.
FOLDER="$(mktemp -d)"
BUILD_SH="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build.sh"

fail() { printf '%s\n' "$*" >&2; exit 1; }

cat >"$FOLDER/server.py" <<'PYTHON'
# Paths /CASE/NAME: present (the file `served`), absent (404), wrong (other bytes), slow (never ends).
import http.server, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        case = self.path.split("/")[1]
        if case == "absent":
            return self.send_error(404)
        body = (folder / "served").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if case == "slow":
            time.sleep(30)
        self.wfile.write(body if case == "present" else body[::-1])

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
(folder / "port").write_text(str(server.server_port))
server.serve_forever()
PYTHON
python3 "$FOLDER/server.py" "$FOLDER" &
trap 'kill %1 2>/dev/null || true; rm -rf "$FOLDER"' EXIT
for _ in $(seq 50); do [ -s "$FOLDER/port" ] && break; sleep 0.1; done

# server CASE: the address for it
server() { echo "http://127.0.0.1:$(cat "$FOLDER/port")/$1"; }
