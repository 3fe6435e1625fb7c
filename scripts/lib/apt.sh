# Sourced by scripts/setup and scripts/vm.d/fetch: Debian's package sources, without a host written down.

apt_codename() { (. /etc/os-release && echo "$VERSION_CODENAME"); }
apt_backports() { echo "$(apt_codename)-backports"; }

# The files apt reads its sources from.
apt_source_files() {
  find /etc/apt/sources.list /etc/apt/sources.list.d -maxdepth 1 \
    \( -name '*.list' -o -name '*.sources' \) 2>/dev/null
}

# Copies the release's own source with the backports suite instead, wherever the machine gets its
# packages from. Both of apt's formats: one line each (.list), stanzas (.sources).
apt_enable_backports() {
  local codename backports file files
  codename=$(apt_codename)
  backports=$(apt_backports)
  mapfile -t files < <(apt_source_files)
  if [ ${#files[@]} -gt 0 ] &&
     grep -qE "^(deb |Suites:)[^#]*\b$backports\b" "${files[@]}"; then return 0; fi
  echo "setup: enabling $backports"
  for file in "${files[@]}"; do
    case $file in
      *.list)
        awk -v from="$codename" -v to="$backports" '
          $1 == "deb" { for (i = 2; i <= NF; i++) if ($i == from) { $i = to; print; exit } }' "$file" \
          > /etc/apt/sources.list.d/culvert-backports.list
        [ ! -s /etc/apt/sources.list.d/culvert-backports.list ] || return 0
        rm /etc/apt/sources.list.d/culvert-backports.list ;;
      *.sources)
        awk -v RS= -v from="$codename" -v to="$backports" '
          { n = split($0, lines, "\n"); out = ""; found = 0
            for (i = 1; i <= n; i++) {
              if (lines[i] ~ /^#/) continue
              if (lines[i] ~ /^Suites:/) {
                found = (" " substr(lines[i], 8) " ") ~ ("[ \t]" from "[ \t]")
                lines[i] = "Suites: " to
              }
              out = out lines[i] "\n"
            }
            if (found) { printf "%s", out; exit } }' "$file" \
          > /etc/apt/sources.list.d/culvert-backports.sources
        [ ! -s /etc/apt/sources.list.d/culvert-backports.sources ] || return 0
        rm /etc/apt/sources.list.d/culvert-backports.sources ;;
    esac
  done
  echo "setup: no source for '$codename' under /etc/apt to copy; enable $backports by hand" >&2
  return 1
}

apt_update() {
  export DEBIAN_FRONTEND=noninteractive
  echo "setup: refreshing the package lists"
  apt-get update -q -o Acquire::Retries=3 ||
    echo "setup: not every package list could be refreshed; going on with those there are" >&2
}

# Runs a command; packages it installs neither start their services now nor at the next boot.
apt_without_services() (
  policy=/usr/sbin/policy-rc.d
  saved=/usr/sbin/policy-rc.d.culvert-saved
  wants=/etc/systemd/system/multi-user.target.wants
  ours='# placed by culvert scripts/setup while it installs packages'
  restore() {
    if [ -e "$saved" ]; then mv "$saved" "$policy"
    elif grep -qsF "$ours" "$policy"; then rm -f "$policy"; fi
  }
  restore # what an interrupted run left
  trap restore EXIT
  trap 'exit 130' INT TERM
  [ ! -e "$policy" ] || mv "$policy" "$saved"
  printf '#!/bin/sh\n%s\nexit 101\n' "$ours" > "$policy"
  chmod 755 "$policy"
  before=$(ls "$wants" 2>/dev/null || true)
  DEBIAN_FRONTEND=noninteractive "$@"
  comm -13 <(sort <<< "$before") <(ls "$wants" 2>/dev/null | sort) | while read -r unit; do
    [ -z "$unit" ] || systemctl --quiet disable "$unit" || true
  done
)
