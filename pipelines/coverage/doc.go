// Package coverage owns coverage reports in Cobertura's and JaCoCo's XML: it reads them
// as a stream, within bounds, into which lines of which files were covered, and compares
// two of them. It stores nothing and draws nothing. Start at Read.
package coverage
