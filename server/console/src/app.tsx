// The frame of the page: who is signed in, where one can go, and what is shown.
import { useEffect, useState } from "preact/hooks";
import { language, setLanguage, t, useLanguage, type Language } from "./i18n";
import { ApiError, get, namespace, remove, whenSessionEnds } from "./lib/api";
import { viewOf } from "./lib/browse";
import { Later } from "./lib/later";
import { go, here, Link, to, usePlace, type Place } from "./lib/router";
import { connect, disconnect, enter, useStore } from "./lib/store";
import { setTheme, theme, type Theme } from "./lib/theme";
import { Empty, Problem } from "./lib/ui";
import { AlertsPage } from "./pages/alerts";
import { ApplicationPage } from "./pages/application";
import { Applications } from "./pages/applications";
import { Browse } from "./pages/browse";
import { EnvironmentPage, Environments } from "./pages/environments";
import { Login } from "./pages/login";
import { whenOf } from "./lib/loglink";
import { Logs } from "./pages/logs";
import { Overview } from "./pages/overview";
import { Repositories, RepositoryPage } from "./pages/repositories";
import { RunPage } from "./pages/run";
import { Runs } from "./pages/runs";
import { StatusPage } from "./pages/status";

const dashboards = () => import("./dash");

interface User {
  name: string;
}

export function App() {
  useLanguage();
  const [user, setUser] = useState<User | null | undefined>();
  const [ended, setEnded] = useState(false);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let timer = 0;
    whenSessionEnds(() => {
      disconnect();
      setUser((u) => {
        if (u) setEnded(true);
        return null;
      });
    });
    // A server that is just starting, or away, has not ended the session.
    const ask = () => {
      get<User>("/api/v1/whoami").then(setUser, (e: unknown) => {
        if (e instanceof ApiError && e.status < 500) return setUser(null);
        setError(e);
        timer = window.setTimeout(ask, 2000);
      });
    };
    ask();
    return () => window.clearTimeout(timer);
  }, []);
  useEffect(() => {
    if (user) connect();
  }, [user]);
  const enterAs = (u: User) => {
    setEnded(false);
    setUser(u);
  };
  if (user === undefined) return error ? <Problem error={error} /> : <Empty>{t("loading")}</Empty>;
  if (user === null) return <Login signedIn={enterAs} ended={ended} />;
  return <Frame user={user} leave={() => setUser(null)} />;
}

const sections = ["repositories", "runs", "applications", "environments", "dashboards", "logs", "alerts", "status"] as const;

function Frame({ user, leave }: { user: User; leave: () => void }) {
  const place = usePlace();
  const store = useStore();
  const section = place.parts[0] ?? "overview";
  // A push prints the address of its run with the namespace, which is then the one to show.
  useEffect(() => {
    if (withNamespace(place)) enter(place.parts[1]);
  }, [place]);
  const signOut = async () => {
    disconnect();
    await remove("/api/v1/session").catch(() => undefined);
    leave();
  };
  useEffect(() => {
    const name = named(place) ?? ((sections as readonly string[]).includes(section) ? t(section as (typeof sections)[number]) : t("overview"));
    document.title = `${name} · Slipway`;
  }, [place, language()]);
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header>
        <Link href="/" class="brand">
          Slipway
        </Link>
        <nav aria-label={t("menu")}>
          <Link href="/" aria-current={section === "overview" ? "page" : undefined}>
            {t("overview")}
          </Link>
          {sections.map((s) => (
            <Link key={s} href={to(s)} aria-current={section === s ? "page" : undefined}>
              {t(s)}
            </Link>
          ))}
        </nav>
        <div class="row settings">
          <span class={store.live ? "pulse on" : "pulse"} role="status">
            {store.live ? t("live") : t("reconnecting")}
          </span>
          <Namespaces />
          <Settings />
          <span class="user">{user.name}</span>
          <button type="button" onClick={signOut}>
            {t("signOut")}
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Page key={namespace} place={place} />
      </main>
    </>
  );
}

/** Namespaces lets people choose where there is more than one. */
function Namespaces() {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    get<{ items: string[] | null }>("/api/v1/namespaces").then(
      ({ items }) => {
        setNames(items ?? []);
        // Who may not look into the one that is shown looks into one of theirs, unless an address says which.
        if (items?.length && !items.includes(namespace) && !withNamespace(here())) enter(items[0]);
      },
      () => undefined, // then only the one that is shown can be
    );
  }, []);
  const all = names.includes(namespace) ? names : [namespace, ...names];
  if (all.length < 2) return null;
  return (
    <select
      aria-label={t("namespace")}
      value={namespace}
      onChange={(e) => {
        enter(e.currentTarget.value);
        go("/");
      }}
    >
      {all.map((n) => (
        <option key={n} value={n}>
          {n}
        </option>
      ))}
    </select>
  );
}

export function Settings() {
  const lang = useLanguage();
  const [mode, setMode] = useState<Theme>(theme());
  return (
    <>
      <select aria-label={t("language")} value={lang} onChange={(e) => setLanguage(e.currentTarget.value as Language)}>
        <option value="en">English</option>
        <option value="zh-CN">简体中文</option>
      </select>
      <select
        aria-label={t("theme")}
        value={mode}
        onChange={(e) => {
          const m = e.currentTarget.value as Theme;
          setTheme(m);
          setMode(m);
        }}
      >
        <option value="system">{t("themeSystem")}</option>
        <option value="light">{t("themeLight")}</option>
        <option value="dark">{t("themeDark")}</option>
      </select>
    </>
  );
}

/** /runs/default/hello-1 and /applications/default/hello name the namespace as well. */
function withNamespace(place: Place): boolean {
  return (place.parts[0] === "runs" || place.parts[0] === "applications") && place.parts.length > 2;
}

/** named is the object of an address, /runs/hello-1 or with its namespace. */
function named(place: Place): string | undefined {
  if (place.parts[0] === "dashboards" && place.parts.length > 1) return place.parts.slice(1).join("/");
  return place.parts[withNamespace(place) ? 2 : 1];
}

function Page({ place }: { place: Place }) {
  const section = place.parts[0];
  const name = named(place);
  const view = viewOf(place.query);
  switch (place.parts.length === 0 ? "overview" : section) {
    case "overview":
      return <Overview />;
    case "repositories":
      return name ? view ? <Browse name={name} view={view} /> : <RepositoryPage key={name} name={name} /> : <Repositories />;
    case "runs":
      return name ? <RunPage key={name} name={name} job={place.query.get("job") ?? undefined} /> : <Runs />;
    case "applications":
      return name ? <ApplicationPage key={name} name={name} /> : <Applications />;
    case "environments":
      return name ? <EnvironmentPage key={name} name={name} /> : <Environments />;
    case "dashboards":
      return <Later load={dashboards} props={{ place }} />;
    case "logs":
      return <Logs query={place.query.get("query") ?? ""} language={place.query.get("language") === "lucene" ? "lucene" : "logsql"} when={whenOf(place.query)} />;
    case "alerts":
      return <AlertsPage />;
    case "status":
      return <StatusPage />;
  }
  return <Empty>{t("notFound")}</Empty>;
}
