package pickle

import (
	"math"
	"strconv"
)

// A memo holds what a pickle remembers. Pickles number its entries from 0
// upwards without gaps, which is a slice; other numbers go into a map, so that
// a large number costs no more than a small one.
type memo struct {
	dense  []Node
	sparse map[uint64]Node
}

func (m *memo) len() int { return len(m.dense) + len(m.sparse) }

func (m *memo) get(i uint64) Node {
	if i < uint64(len(m.dense)) {
		return m.dense[i]
	}
	return m.sparse[i]
}

func (m *memo) put(i uint64, n Node) {
	switch {
	case i < uint64(len(m.dense)):
		m.dense[i] = n
	case i == uint64(len(m.dense)) && len(m.sparse) == 0:
		m.dense = append(m.dense, n)
	default:
		if m.sparse == nil {
			m.sparse = make(map[uint64]Node)
		}
		m.sparse[i] = n
	}
}

func (m *memo) reset() {
	m.sparse = nil
	if cap(m.dense) > keepCap {
		m.dense = nil
	}
	clear(m.dense)
	m.dense = m.dense[:0]
}

// recall executes the instructions for memo and stack.
func (d *decoder) recall() error {
	switch d.op {
	case opMemoize:
		return d.remember(uint64(d.memo.len()))
	case opBinPut, opLongBinPut, opPut:
		i, err := d.memoIndex()
		if err != nil {
			return err
		}
		return d.remember(i)
	case opBinGet, opLongBinGet, opGet:
		i, err := d.memoIndex()
		if err != nil {
			return err
		}
		n := d.memo.get(i)
		if n == nil {
			return d.fail(ErrSyntax, "memo entry %d does not exist", i)
		}
		return d.push(n)
	case opPop:
		return d.drop()
	case opPopMark:
		_, err := d.popMark()
		return err
	case opDup:
		if err := d.need(1); err != nil {
			return err
		}
		return d.push(d.top())
	}
	return d.fail(ErrSyntax, "there is no such instruction")
}

func (d *decoder) memoIndex() (uint64, error) {
	switch d.op {
	case opBinPut, opBinGet:
		return d.uint(1)
	case opLongBinPut, opLongBinGet:
		return d.uint(4)
	}
	line, err := d.line()
	if err != nil {
		return 0, err
	}
	i, err := strconv.ParseUint(line, 10, 63)
	if err != nil || i > math.MaxUint32 {
		return 0, d.fail(ErrSyntax, "%q is not an index of the memo", clip(line))
	}
	return i, nil
}

func (d *decoder) remember(i uint64) error {
	if err := d.need(1); err != nil {
		return err
	}
	if d.memo.len() >= d.lim.Memo && d.memo.get(i) == nil {
		return d.fail(ErrLimit, "more than %d memo entries (Memo)", d.lim.Memo)
	}
	d.memo.put(i, d.top())
	return nil
}
