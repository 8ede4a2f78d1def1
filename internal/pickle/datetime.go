package pickle

import "time"

// Datetime is a datetime.datetime: a wall clock, and how far it is from UTC.
type Datetime struct {
	Year, Month, Day     int
	Hour, Minute, Second int
	Microsecond          int
	// Fold is set on the second of two equal wall clock times, when clocks
	// are set back.
	Fold bool

	// Aware is set if the datetime has an offset from UTC.
	Aware bool
	// Offset is the wall clock minus UTC, in whole microseconds.
	Offset time.Duration
	// Name is the name given to the timezone, or empty.
	Name string
}

// Wall returns the wall clock's reading as if it were UTC.
func (d Datetime) Wall() time.Time {
	return time.Date(d.Year, time.Month(d.Month), d.Day, d.Hour, d.Minute, d.Second, d.Microsecond*1000, time.UTC)
}

// AsDatetime returns the value of a datetime.datetime that is naive or has a
// datetime.timezone. Other kinds of tzinfo, such as zoneinfo.ZoneInfo, are code
// that only Python can run: their datetimes are not recognised.
func AsDatetime(n Node) (Datetime, bool) {
	args, ok := asForm(n, FormDatetime)
	if !ok || len(args) < 1 || len(args) > 2 {
		return Datetime{}, false
	}
	raw, ok := args[0].(*Bytes)
	if !ok || len(raw.B) != 10 {
		return Datetime{}, false
	}
	b := raw.B
	d := Datetime{
		Year:        int(b[0])<<8 | int(b[1]),
		Month:       int(b[2] & 0x7f),
		Day:         int(b[3]),
		Hour:        int(b[4]),
		Minute:      int(b[5]),
		Second:      int(b[6]),
		Microsecond: int(b[7])<<16 | int(b[8])<<8 | int(b[9]),
		Fold:        b[2]&0x80 != 0,
	}
	if !d.valid() {
		return Datetime{}, false
	}
	if len(args) == 2 {
		if d.Offset, d.Name, ok = asTimezone(args[1]); !ok {
			return Datetime{}, false
		}
		d.Aware = true
	}
	return d, true
}

func (d Datetime) valid() bool {
	if d.Year < 1 || d.Year > 9999 || d.Month < 1 || d.Month > 12 || d.Day < 1 ||
		d.Hour < 0 || d.Hour > 23 || d.Minute < 0 || d.Minute > 59 ||
		d.Second < 0 || d.Second > 59 || d.Microsecond < 0 || d.Microsecond > 999_999 {
		return false
	}
	return d.Wall().Day() == d.Day
}

// asTimezone reads a datetime.timezone.
func asTimezone(n Node) (offset time.Duration, name string, ok bool) {
	g, args, ok := AsCall(n)
	if !ok || *g != (Global{"datetime", "timezone"}) || len(args) < 1 || len(args) > 2 {
		return 0, "", false
	}
	offset, ok = AsTimedelta(args[0])
	if !ok || offset <= -24*time.Hour || offset >= 24*time.Hour {
		return 0, "", false
	}
	if len(args) == 2 {
		s, ok := args[1].(*Str)
		if !ok {
			return 0, "", false
		}
		name = s.S
	}
	return offset, name, true
}

// maxDays is how many days a time.Duration can hold, rounded down.
const maxDays = 106_751

// AsTimedelta returns the value of a datetime.timedelta within the range of
// time.Duration, 292 years; longer ones are not recognised.
func AsTimedelta(n Node) (time.Duration, bool) {
	args, ok := asForm(n, FormTimedelta)
	if !ok || len(args) != 3 {
		return 0, false
	}
	days, ok1 := args[0].(Int)
	secs, ok2 := args[1].(Int)
	micros, ok3 := args[2].(Int)
	if !ok1 || !ok2 || !ok3 || days < -maxDays || days >= maxDays ||
		secs < 0 || secs >= 86400 || micros < 0 || micros >= 1_000_000 {
		return 0, false
	}
	return time.Duration(days)*24*time.Hour + time.Duration(secs)*time.Second + time.Duration(micros)*time.Microsecond, true
}

// NewTimedelta returns a datetime.timedelta of d, rounded down to microseconds.
func NewTimedelta(d time.Duration) *Object {
	const day = 24 * time.Hour
	days := d / day
	if d %= day; d < 0 {
		d += day
		days--
	}
	return NewCall("datetime", "timedelta",
		Int(days), Int(d/time.Second), Int(d%time.Second/time.Microsecond))
}

// NewDatetime returns a datetime.datetime, or false if Python has none such:
// years are 1 to 9999, and offsets less than 24 hours.
func NewDatetime(d Datetime) (*Object, bool) {
	if !d.valid() || d.Offset <= -24*time.Hour || d.Offset >= 24*time.Hour {
		return nil, false
	}
	b := [10]byte{
		byte(d.Year >> 8), byte(d.Year), byte(d.Month), byte(d.Day),
		byte(d.Hour), byte(d.Minute), byte(d.Second),
		byte(d.Microsecond >> 16), byte(d.Microsecond >> 8), byte(d.Microsecond),
	}
	if d.Fold {
		b[2] |= 0x80
	}
	o := NewCall("datetime", "datetime", &Bytes{B: string(b[:])})
	if d.Aware {
		tz := NewCall("datetime", "timezone", NewTimedelta(d.Offset))
		if d.Name != "" {
			tz.Args.Items = append(tz.Args.Items, NewStr(d.Name))
		}
		o.Args.Items = append(o.Args.Items, tz)
	}
	return o, true
}
