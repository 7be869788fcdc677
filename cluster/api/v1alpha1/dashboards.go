package v1alpha1

// ConditionDashboards of a Repository says how the dashboards are that it keeps: false names
// the file, the line and the column of what is wrong. It is absent where there are none.
const ConditionDashboards = "Dashboards"

// Reasons of ConditionDashboards.
const (
	ReasonDashboardsRead = "Read"
	ReasonBadDashboard   = "BadDashboard"
)
