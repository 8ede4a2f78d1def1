package integration

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table of docs/multiprocessing.md says where each public name of Python's manual is. These
// tests hold that it has all of them, and that the Go names which it gives are
// there.

// pythonNames are the public names of the manual's chapter on multiprocessing,
// by its sections, with those of multiprocessing.shared_memory.
var pythonNames = map[string]string{
	"Managers": `Manager SyncManager BaseManager address authkey serializer ctx shutdown_timeout start get_server serve_forever
		connect shutdown join register typeid callable proxytype exposed method_to_typeid create_method with
		dict list set Queue JoinableQueue Lock RLock Semaphore BoundedSemaphore Condition Event Barrier Namespace Value Array Pool
		shared_memory SharedMemoryManager SharedMemory buf size unlink ShareableList count index format shm`,
	"Proxies": `BaseProxy _callmethod _getvalue __repr__ __str__ Token AutoProxy MakeProxyType exposed method_to_typeid`,
	"Connections, listeners and clients": `Pipe Connection send recv send_bytes recv_bytes recv_bytes_into BufferTooShort fileno poll close
		closed readable writable
		wait Listener accept address last_accepted Client AF_INET AF_UNIX AF_PIPE deliver_challenge answer_challenge AuthenticationError with`,
	"Authentication keys": `authkey current_process AuthenticationString`,
	"Synchronisation": `Lock RLock Semaphore BoundedSemaphore Condition Event Barrier acquire release locked get_value with
		wait wait_for notify notify_all reset abort parties n_waiting broken BrokenBarrierError set clear is_set`,
	"Queues": `Queue JoinableQueue SimpleQueue put put_nowait get get_nowait qsize empty full task_done join close
		join_thread cancel_join_thread Empty Full ShutDown`,
	"Shared ctypes": `Value Array value raw RawValue RawArray copy synchronized get_lock get_obj Structure`,
	"Pools": `Pool ThreadPool apply apply_async map map_async imap imap_unordered starmap starmap_async close terminate join
		AsyncResult get wait ready successful TimeoutError with`,
	"Processes": `Process run start join name is_alive daemon pid exitcode authkey sentinel interrupt terminate kill close
		ProcessError active_children cpu_count current_process parent_process freeze_support`,
	"Contexts and start methods": `get_context set_start_method get_start_method get_all_start_methods set_executable
		set_forkserver_preload spawn fork forkserver reduction allow_connection_pickling`,
	"Logging":                `get_logger log_to_stderr SUBDEBUG SUBWARNING`,
	"multiprocessing.dummy":  `multiprocessing.dummy`,
	"Programming guidelines": `__main__`,
}

// guidelines are the headings of the last section, in its words.
var guidelines = []string{
	"Avoid shared state", "Picklability", "Thread safety of proxies", "Joining zombie processes",
	"Better to inherit than pickle/unpickle", "Avoid terminating processes", "Join processes that use queues",
	"Explicitly pass resources to child processes", "file like object", "More picklability", "Global variables",
	"Safe importing of main module",
}

// row is a row of the table.
type row struct {
	line           int
	section        string
	python, golang string
}

func table(t *testing.T) (rows []row, sections []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/multiprocessing.md")
	if err != nil {
		t.Fatal(err)
	}
	section, in := "", false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "| Python | here |"):
			in = true
			continue
		case !in || strings.HasPrefix(line, "|---"):
			continue
		case !strings.HasPrefix(line, "|"):
			return rows, sections
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 2 {
			t.Errorf("docs/multiprocessing.md:%d: %d cells, want 2", i+1, len(cells))
			continue
		}
		r := row{i + 1, section, strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])}
		if strings.HasPrefix(r.python, "**") {
			_, name, _ := strings.Cut(r.python, "**")
			section, _, _ = strings.Cut(name, "**")
			r.section = section
			sections = append(sections, section)
			if r.golang == "" {
				continue
			}
		}
		if r.python == "" || r.golang == "" {
			t.Errorf("docs/multiprocessing.md:%d: an empty cell", i+1)
		}
		rows = append(rows, r)
	}
	return rows, sections
}

var (
	span = regexp.MustCompile("`([^`]*)`")
	word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*`)
)

// TestTableHasEveryName holds that the table has each name of Python's manual
// in its section.
func TestTableHasEveryName(t *testing.T) {
	rows, sections := table(t)
	if len(rows) < 50 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	have := make(map[string]map[string]bool)
	var said strings.Builder
	for _, r := range rows {
		if have[r.section] == nil {
			have[r.section] = make(map[string]bool)
		}
		if r.section == "Programming guidelines" {
			said.WriteString(strings.ToLower(r.python) + "\n")
		}
		for _, s := range span.FindAllStringSubmatch(r.python, -1) {
			for _, w := range word.FindAllString(s[1], -1) {
				have[r.section][w] = true
				for part := range strings.SplitSeq(w, ".") {
					have[r.section][part] = true
				}
			}
		}
		if strings.Contains(r.python, "multiprocessing.dummy") {
			have[r.section]["multiprocessing.dummy"] = true
		}
		if strings.Contains(r.python, "...") {
			t.Errorf("docs/multiprocessing.md:%d: %q leaves names out", r.line, r.python)
		}
	}
	for section, names := range pythonNames {
		if !slices.Contains(sections, section) {
			t.Errorf("the table has no section %q", section)
			continue
		}
		for name := range strings.FieldsSeq(names) {
			if !have[section][name] {
				t.Errorf("%s: %s is missing", section, name)
			}
		}
	}
	for _, g := range guidelines {
		if !strings.Contains(said.String(), strings.ToLower(g)) {
			t.Errorf("the guideline %q is missing", g)
		}
	}
}

// TestTableNamesGo holds that the Go names of the table are there. A name is
// pkg.Name, pkg.Type.Method, Type.Method, or the bare name of a method or field
// of a type that the row has. Names in small letters without a package are words
// of commands and of other languages.
func TestTableNamesGo(t *testing.T) {
	pkgs := publicPackages(t)
	rows, _ := table(t)
	for _, r := range rows {
		var named []types.Type // the types that the row has
		note := func(obj types.Object) {
			if tn, ok := obj.(*types.TypeName); ok {
				named = append(named, tn.Type())
			}
		}
		lookup := func(name string) types.Object {
			for _, p := range []string{"proxy", "managers", "connection", "auth"} {
				if obj := pkgs[p].Scope().Lookup(name); obj != nil && obj.Exported() {
					return obj
				}
			}
			return nil
		}
		for _, s := range span.FindAllStringSubmatch(r.python, -1) {
			for _, w := range word.FindAllString(s[1], -1) {
				for part := range strings.SplitSeq(w, ".") {
					if obj := lookup(part); obj != nil {
						note(obj)
					}
				}
			}
		}
		var words []string
		for _, s := range span.FindAllStringSubmatch(r.golang, -1) {
			switch program, _, _ := strings.Cut(s[1], " "); program {
			case "mgrctl", "managerd":
				continue
			}
			if strings.Contains(s[1], "://") || strings.Contains(s[1], "/") {
				continue
			}
			words = append(words, word.FindAllString(s[1], -1)...)
		}
		for _, w := range words {
			for part := range strings.SplitSeq(w, ".") {
				if obj := lookup(part); obj != nil {
					note(obj)
				}
			}
		}
		for _, w := range words {
			if why := resolve(pkgs, w, lookup, named); why != "" {
				t.Errorf("docs/multiprocessing.md:%d: %s: %s", r.line, w, why)
			}
		}
	}
}

// others are the words of the table's Go column that are no names of ours.
var others = []string{"slog.Logger", "net.ErrClosed", "T", "R", "B", "Open", "New", "Attach"}

// resolve says what is wrong with a name.
func resolve(pkgs map[string]*types.Package, w string, lookup func(string) types.Object, named []types.Type) string {
	parts := strings.Split(w, ".")
	first := parts[0]
	if slices.Contains(others, w) {
		return ""
	}
	if p := pkgs[first]; p != nil {
		if len(parts) == 1 {
			return "" // the package
		}
		obj := p.Scope().Lookup(parts[1])
		if obj == nil {
			return "package " + first + " has no such name"
		}
		return members(obj.Type(), parts[2:])
	}
	if !token.IsExported(first) {
		if len(parts) == 1 {
			return "" // a parameter, a variable
		}
		if !token.IsExported(parts[1]) {
			return ""
		}
		return anyMember(named, parts[1]) // the method of a variable
	}
	if obj := lookup(first); obj != nil {
		if len(parts) == 1 {
			return ""
		}
		return members(obj.Type(), parts[1:])
	}
	if len(parts) > 1 {
		return "there is no such type"
	}
	return anyMember(named, first)
}

func anyMember(named []types.Type, name string) string {
	for _, t := range named {
		if members(t, []string{name}) == "" {
			return ""
		}
	}
	// A variable of a row without types, such as m in m.Close.
	if len(named) == 0 {
		return "the row names no type that it could belong to"
	}
	return "no type of the row has it"
}

func members(t types.Type, path []string) string {
	for _, name := range path {
		obj, _, _ := types.LookupFieldOrMethod(types.NewPointer(types.Unalias(t)), true, nil, name)
		if obj == nil {
			obj, _, _ = types.LookupFieldOrMethod(t, true, nil, name)
		}
		if obj == nil || !obj.Exported() {
			return t.String() + " has no " + name
		}
		t = obj.Type()
	}
	return ""
}

// publicPackages loads what the compiler exports of the public packages.
func publicPackages(t *testing.T) map[string]*types.Package {
	t.Helper()
	const module = "github.com/syncmanager/syncmanager/"
	names := []string{"proxy", "managers", "connection", "auth"}
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}
	for _, n := range names {
		args = append(args, module+n)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := make(map[string]string)
	for line := range strings.SplitSeq(string(out), "\n") {
		if path, file, ok := strings.Cut(line, "\t"); ok {
			files[path] = filepath.Clean(file)
		}
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	pkgs := make(map[string]*types.Package)
	for _, n := range names {
		p, err := imp.Import(module + n)
		if err != nil {
			t.Fatal(err)
		}
		pkgs[n] = p
	}
	return pkgs
}

// TestReadmeLinks holds that what the README and the documents link to is there.
func TestReadmeLinks(t *testing.T) {
	code := regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, doc := range append(docs, "../README.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", doc, m[1])
			}
		}
	}
}
