package engine

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TypeTable is what the log says of a type: which methods there are. A replica,
// or the server of a later release, whose binary has more of them must refuse
// what the first one refused, until the log says otherwise.
type TypeTable struct {
	Name    string
	Methods int    // how many methods are known
	Sum     uint64 // of these methods: names, flags

	// Of a registered Go type, which the binary that reads the log may not have.
	Outside, NoCreate, Singleton bool
	Params                       string
	Table                        []Method // Name, Params, Result and Flags
}

// Tables returns the tables of all types, by name, for OpTypes.
func (e *Engine) Tables() []TypeTable {
	all := make([]TypeTable, 0, len(e.types))
	for _, t := range e.types {
		if !t.foreign {
			all = append(all, t.table(len(t.Methods)))
		}
	}
	slices.SortFunc(all, func(a, b TypeTable) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (t *Type) table(known int) TypeTable {
	h := fnv.New64a()
	table := TypeTable{Name: t.Name, Methods: known, Outside: t.Outside, NoCreate: t.NoCreate, Singleton: t.Singleton}
	for i := range t.Methods[:known] {
		m := &t.Methods[i]
		_, _ = h.Write(append(AppendText(nil, m.Name), byte(m.Flags)))
		if t.Outside {
			table.Table = append(table.Table, Method{Name: m.Name, Params: m.Params, Result: m.Result, Flags: m.Flags})
		}
	}
	if table.Sum = h.Sum64(); t.Outside {
		table.Params = t.Params
	}
	return table
}

// setTables is OpTypes. An error says that this binary cannot follow the log.
func (e *Engine) setTables(tables []TypeTable) error {
	for i := range tables {
		t := &tables[i]
		own := e.types[t.Name]
		switch {
		case t.Outside:
			if own != nil && !own.Outside {
				return wire.Errorf(wire.CodeUnknownType, "the log has a registered type %q, and this program a built-in one", t.Name)
			}
		case own == nil || own.Outside:
			return wire.Errorf(wire.CodeUnknownType, "the log has a type %q, which this program does not have: it is too old", t.Name)
		case t.Methods < 0 || t.Methods > len(own.Methods):
			return wire.Errorf(wire.CodeUnknownType, "the log has %d methods of %q, this program %d: it is too old", t.Methods, t.Name, len(own.Methods))
		case own.table(t.Methods).Sum != t.Sum:
			return wire.Errorf(wire.CodeUnknownType, "the methods of %q are others in the log than in this program", t.Name)
		}
	}
	for i := range tables {
		t := &tables[i]
		if !t.Outside {
			e.types[t.Name].known = t.Methods
			continue
		}
		if own := e.types[t.Name]; own != nil && !own.foreign && own.table(len(own.Methods)).same(t) {
			continue
		}
		foreign := &Type{Name: t.Name, Params: t.Params, Outside: true, NoCreate: t.NoCreate, Singleton: t.Singleton, foreign: true}
		foreign.Methods = slices.Clone(t.Table)
		foreign.prepare()
		e.types[t.Name] = foreign
	}
	e.tables = tables
	return nil
}

// same reports whether two tables of registered types say the same.
func (t TypeTable) same(other *TypeTable) bool {
	return string(appendTables(nil, []TypeTable{t})) == string(appendTables(nil, []TypeTable{*other}))
}

func appendTables(b []byte, tables []TypeTable) []byte {
	b = binary.AppendUvarint(b, uint64(len(tables)))
	for i := range tables {
		t := &tables[i]
		b = AppendText(b, t.Name)
		b = binary.AppendUvarint(b, uint64(t.Methods))
		b = binary.AppendUvarint(b, t.Sum)
		if b = AppendBool(b, t.Outside); !t.Outside {
			continue
		}
		b = AppendBool(AppendBool(b, t.NoCreate), t.Singleton)
		b = AppendText(b, t.Params)
		b = binary.AppendUvarint(b, uint64(len(t.Table)))
		for k := range t.Table {
			m := &t.Table[k]
			b = AppendText(AppendText(AppendText(b, m.Name), m.Params), m.Result)
			b = append(b, byte(m.Flags))
		}
	}
	return b
}

func (d *Decoder) tables() (tables []TypeTable) {
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		t := TypeTable{Name: d.Text(), Methods: int(min(d.Uint(), 1<<20)), Sum: d.Uint(), Outside: d.Bool()}
		if t.Outside {
			t.NoCreate, t.Singleton, t.Params = d.Bool(), d.Bool(), d.Text()
			for k := d.Uint(); k > 0 && !d.Failed(); k-- {
				t.Table = append(t.Table, Method{Name: d.Text(), Params: d.Text(), Result: d.Text(), Flags: Flags(d.Byte())})
			}
		}
		tables = append(tables, t)
	}
	return tables
}
