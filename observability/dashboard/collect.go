package dashboard

import (
	"fmt"
	"path"
)

// Entry of Directory.
type Entry struct {
	// Path within the repository.
	Path string
	Size int64
	// Not says what it is where it is no regular file, such as "a symbolic link".
	Not string
}

// Collect the files of Directory that are read, within its bounds. What is no file of
// dashboards by its name is passed over.
func Collect(entries []Entry, read func(path string) ([]byte, error)) (files []File, err error) {
	var total int64
	for _, e := range entries {
		if !IsFile(path.Base(e.Path)) {
			continue
		}
		f := File{Path: e.Path}
		switch {
		case len(files) > MaxFiles:
			return files, nil // one more than there may be is told of below
		case len(files) == MaxFiles:
			f.Refused = fmt.Sprintf("%s may have %d files; it and those after it are not read", Directory, MaxFiles)
		case e.Not != "":
			f.Refused = "it is " + e.Not + "; put the file itself there"
		case e.Size > MaxBytes:
			f.Refused = fmt.Sprintf("larger than %d KiB", MaxBytes>>10)
		case total+e.Size > MaxTotal:
			f.Refused = fmt.Sprintf("the files of %s may have %d MiB together", Directory, MaxTotal>>20)
		default:
			if f.Data, err = read(e.Path); err != nil {
				return nil, err
			}
			total += e.Size
		}
		files = append(files, f)
	}
	return files, nil
}
