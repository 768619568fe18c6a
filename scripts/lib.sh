# Shared by the scripts beside it, which set $root to the repository's root and then source it.
# POSIX sh; the launcher comes through here on every start, so nothing that it calls each time starts a process.

artifacts=$root/artifacts
log=$artifacts/setup.log

fail() { # fail CODE MESSAGE ADVICE
  printf 'error: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# Puts the .NET SDK on the path, from the usual places, and keeps it quiet.
find_dotnet() {
  if ! command -v dotnet >/dev/null; then
    for dir in "${DOTNET_ROOT:-}" "${HOME:-}/.dotnet" /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet; do
      if [ -n "$dir" ] && [ -x "$dir/dotnet" ]; then
        PATH=$dir:$PATH
        break
      fi
    done
  fi
  export DOTNET_ROOT="${DOTNET_ROOT:-}" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
  [ -n "$DOTNET_ROOT" ] || unset DOTNET_ROOT
  # No MSBuild node stays behind: an idle one holds memory, and the pipe that reads our output.
  export DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1
  if [ -z "${HOME:-}" ]; then
    export HOME="$artifacts/home"
    mkdir -p "$HOME"
  fi
}

build() { # build PROJECT HINT: quiet when all goes well, else prints the errors and fails
  echo "Building$2"
  mkdir -p "$artifacts/$flavour"
  began=$(date +%s)
  (cd "$root" && dotnet build "$1" -c Release -nologo --tl:off -v q -clp:ErrorsOnly) >"$artifacts/build.log" 2>&1 || {
    cat "$artifacts/build.log"
    return 1
  }
  echo "  built in $(($(date +%s) - began)) s"
}

# The flavour that Directory.Build.props takes: recorded by setup.sh.
read_flavour() {
  flavour=system
  [ ! -f "$artifacts/flavour" ] || read -r flavour <"$artifacts/flavour"
}
