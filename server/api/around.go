package api

// aroundRuns are the routes of what surrounds runs: variables, schedules, environments.
func aroundRuns(ns string) []Route {
	return []Route{
		{"GET", ns + "/variables", "list", "variables", "CI variables without their values", (*server).listVariables},
		{"POST", ns + "/variables", "create", "variables", "set a CI variable", (*server).setVariable},
		{"DELETE", ns + "/variables/{variable}", "delete", "variables", "delete a CI variable", (*server).deleteVariable},
	}
}
