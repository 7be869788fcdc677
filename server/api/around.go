package api

// aroundRuns are the routes of what surrounds runs: variables, schedules, environments.
func aroundRuns(ns string) []Route {
	return []Route{
		{"GET", ns + "/variables", "list", "variables", "CI variables without their values", (*server).listVariables},
		{"POST", ns + "/variables", "create", "variables", "set a CI variable", (*server).setVariable},
		{"DELETE", ns + "/variables/{variable}", "delete", "variables", "delete a CI variable", (*server).deleteVariable},

		{"GET", ns + "/schedules", "list", "schedules", "list schedules", list(schedules)},
		{"POST", ns + "/schedules", "create", "schedules", "create a schedule", (*server).createSchedule},
		{"GET", ns + "/schedules/{name}", "get", "schedules", "read a schedule", get(schedules)},
		{"DELETE", ns + "/schedules/{name}", "delete", "schedules", "delete a schedule", del(schedules)},
		{"POST", ns + "/schedules/{name}/suspend", "update", "schedules", "start no runs until it is resumed", suspendSchedule(true)},
		{"POST", ns + "/schedules/{name}/resume", "update", "schedules", "start runs again; missed times are not made up for", suspendSchedule(false)},
		{"POST", ns + "/schedules/{name}/run", "update", "schedules", "start a run of it now", (*server).playSchedule},

		{"GET", ns + "/environments", "list", "environments", "list environments and what is deployed there", list(environments)},
		{"GET", ns + "/environments/{name}", "get", "environments", "read an environment with its deployments", get(environments)},
		{"DELETE", ns + "/environments/{name}", "delete", "environments", "forget an environment; nothing is stopped", del(environments)},
		{"POST", ns + "/environments/{name}/stop", "update", "environments", "stop what is deployed, by its on_stop job", (*server).stopEnvironment},
		{"POST", ns + "/environments/{name}/redeploy", "update", "environments", "deploy again what a run deployed", (*server).redeploy},
	}
}
