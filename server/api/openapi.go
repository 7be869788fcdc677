package api

import (
	"net/http"
	"regexp"
	"strings"
)

var parameter = regexp.MustCompile(`\{([a-z]+)\}`)

// openAPI answers with an OpenAPI 3.0 document made from Routes.
func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	paths := map[string]map[string]any{}
	for _, route := range Routes() {
		params := []map[string]any{}
		for _, m := range parameter.FindAllStringSubmatch(route.Path, -1) {
			params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]string{"type": "string"}})
		}
		if paths[route.Path] == nil {
			paths[route.Path] = map[string]any{}
		}
		paths[route.Path][strings.ToLower(route.Method)] = map[string]any{
			"summary":    route.Summary,
			"parameters": params,
			"responses": map[string]any{
				"default": map[string]string{"description": "the object, or {\"error\":{\"message\",\"hint\"}}"},
			},
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"openapi":    "3.0.3",
		"info":       map[string]string{"title": "Slipway", "version": "v1"},
		"paths":      paths,
		"security":   []map[string][]string{{"token": {}}},
		"components": map[string]any{"securitySchemes": map[string]any{"token": map[string]string{"type": "http", "scheme": "bearer"}}},
	})
	return nil
}
