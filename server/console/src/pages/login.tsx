import { useState } from "preact/hooks";
import { Settings } from "../app";
import { t } from "../i18n";
import { ApiError, post } from "../lib/api";
import { Problem } from "../lib/ui";

export function Login({ signedIn, ended }: { signedIn: (user: { name: string }) => void; ended: boolean }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>();
  const expired = new URLSearchParams(location.search).get("login") === "expired";
  const submit = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    try {
      const user = await post<{ name: string }>("/api/v1/session", { token: token.trim() });
      if (expired) history.replaceState(null, "", "/");
      signedIn(user);
    } catch (err) {
      setError(err instanceof ApiError && err.status === 401 ? new Error(t("wrongToken")) : err);
    }
  };
  return (
    <main class="login">
      <form class="panel" onSubmit={submit}>
        <h1>Slipway</h1>
        {expired ? (
          <p class="notice warn" role="status">
            {t("linkExpired")}
          </p>
        ) : ended ? (
          <p class="notice warn" role="status">
            {t("sessionEnded")}
          </p>
        ) : null}
        <label>
          {t("token")}
          <input type="password" autocomplete="current-password" required value={token} onInput={(e) => setToken(e.currentTarget.value)} />
        </label>
        <p class="hint">{t("tokenHint")}</p>
        <Problem error={error} />
        <button type="submit" class="primary">
          {t("signIn")}
        </button>
      </form>
      <div class="row">
        <Settings />
      </div>
    </main>
  );
}
