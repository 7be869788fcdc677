// Texts of the pages of applications.
export const apps = {
  anyHealth: "Any health",
  anySync: "Any state",
  anyRepository: "Any repository",
  allNamespaces: "All namespaces",
  namespaceShort: "Namespace",
  noneMatch: "No application matches.",
  nothingFails: "All {n} applications are healthy and none failed to sync.",
  someFail: "{n} of {total} applications need attention.",
} as const;
