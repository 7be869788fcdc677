package render

import "fmt"

// What one rendering may use. A set beyond these is refused with the name of the
// limit; memory and time are held by the kernel (runner.go).
const (
	maxFileBytes = 4 << 20  // one file
	maxTreeBytes = 64 << 20 // all files that are read, archives and what is in them

	maxArchiveBytes = 16 << 20 // one packed chart
	maxRequestBytes = 8 << 20  // what the server asks for
	maxFiles        = 5000     // files that are read
	maxObjects      = 2000     // objects of a set
	maxDepth        = 100      // nesting of one document
	maxNodes        = 400_000  // values of one file, aliases expanded
	maxSetBytes     = 16 << 20 // the rendered set
	maxPathLength   = 4096
)

// Error is a refusal that names the place.
type Error struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// Error is "file:line:column: message" as far as known.
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Line == 0:
		return e.File + ": " + e.Message
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	default:
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	}
}

// Refuse makes a refusal; file and line may be empty.
func Refuse(file string, line int, format string, args ...any) *Error {
	return refuse(file, line, format, args...)
}

func refuse(file string, line int, format string, args ...any) *Error {
	return &Error{File: file, Line: line, Message: fmt.Sprintf(format, args...)}
}
