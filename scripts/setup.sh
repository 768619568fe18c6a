#!/bin/sh
# Makes this machine ready to build and run Attention: chooses the tensor library and installs what it needs.
# Runs again at no cost; the launcher and the test runner call it on every start.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/lib.sh"

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--torch auto|system|nuget] [--device cpu|cuda] [--again]

  --torch system   our own implementation of the TorchSharp API over the libtorch that is installed
  --torch nuget    the official packages: TorchSharp, SixLabors.ImageSharp, Microsoft.ML.Tokenizers
  --torch auto     nuget where these packages can be restored, else system (the default, decided once)
  --device D       which official package of libtorch to use (default: cuda where an NVIDIA GPU is found)
  --again          look at everything again, even if nothing seems to have changed
TEXT
}

torch='' device='' again=''
while [ $# -gt 0 ]; do
  case $1 in
    --torch) torch=${2:-}; shift ;;
    --device) device=${2:-}; shift ;;
    --again) again=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail 2 "unknown argument: $1" "The arguments are listed above." ;;
  esac
  [ $# -gt 0 ] && shift
done
case $torch in '' | auto | system | nuget) ;; *) fail 2 "--torch $torch: no such flavour" "Choose auto, system or nuget." ;; esac
case $device in '' | cpu | cuda) ;; *) fail 2 "--device $device: no such device" "Choose cpu or cuda." ;; esac

# --- nothing to do? --------------------------------------------------------------------------
# The stamp records the environment it was made in and the files that must still exist; a line "A = B" wants A to be
# another name of file B (the BLAS that is chosen).
stamp=$artifacts/setup.stamp
environment() { echo "LIBTORCH=${LIBTORCH:-} python3=$(command -v python3)"; }
read_flavour
still_ready() {
  [ -z "$again$torch$device" ] && [ -f "$artifacts/flavour" ] && [ -f "$stamp" ] || return 1
  [ "$stamp" -nt "$root/scripts/setup.sh" ] || return 1
  {
    read -r recorded && [ "$recorded" = "$(environment)" ] || return 1
    while read -r file equals other; do
      if [ -n "$equals" ]; then
        [ "$file" -ef "$other" ] || return 1
      else
        [ -e "$file" ] || return 1
      fi
    done
  } <"$stamp"
}
! still_ready || exit 0

# --- the .NET SDK ----------------------------------------------------------------------------
mkdir -p "$artifacts"
: >"$log"
cd "$root"
start=$(date +%s)
seconds() { echo "$(($(date +%s) - $1)) s"; }
say() { printf '  %s\n' "$*"; printf '# %s\n' "$*" >>"$log"; }
echo "Setting up (log: artifacts/setup.log)"

find_dotnet
command -v dotnet >/dev/null ||
  fail 2 "the .NET 10 SDK is missing" "Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again."
sdk=$(dotnet --version 2>>"$log") ||
  fail 2 "the .NET SDK is too old: $(dotnet --list-sdks | sed 's/ .*//' | paste -sd ' ' -) found, global.json asks for 10.0" \
    "Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again."
say ".NET SDK $sdk"

# --- which tensor library --------------------------------------------------------------------
# Restores a throw-away project with the three official packages that no public mirror may leave out.
packages_restore() {
  probe=$(mktemp -d)
  {
    echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup><ItemGroup>'
    for id in TorchSharp SixLabors.ImageSharp Microsoft.ML.Tokenizers; do
      sed -n "s/.*<PackageVersion Include=\"$id\" Version=\"\([^\"]*\)\".*/<PackageReference Include=\"$id\" Version=\"\1\" \/>/p" Directory.Packages.props
    done
    echo '</ItemGroup></Project>'
  } >"$probe/probe.csproj"
  status=0
  limit=$(command -v timeout >/dev/null && echo 'timeout 20' || :)
  $limit dotnet restore "$probe/probe.csproj" -v q -nologo >"$probe/log" 2>&1 || status=$?
  cat "$probe/log" >>"$log"
  case $status in
    0) why="the official packages can be restored" ;;
    124) why="the official packages could not be restored within 20 s" ;;
    *)
      missing=$(sed -n 's/.*Unable to find package \([A-Za-z.]*[A-Za-z]\).*/\1/p' "$probe/log" | sort -u | paste -sd ',' - | sed 's/,/, /g')
      why="the official packages cannot be restored here${missing:+ (not found: $missing)}"
      ;;
  esac
  rm -rf "$probe"
  return $status
}

if [ "$torch" = system ] || [ "$torch" = nuget ]; then
  flavour=$torch why="as asked"
elif [ -f "$artifacts/flavour" ] && [ "$torch" != auto ]; then
  why="as before; --torch chooses anew"
else
  case $(uname -s) in
    Linux)
      if [ -n "${LIBTORCH:-}" ]; then
        flavour=system why="LIBTORCH is set"
      elif packages_restore; then
        flavour=nuget
      else
        flavour=system
      fi
      ;;
    *) flavour=nuget why="the system flavour needs Linux" ;;
  esac
fi
say "tensor library: $flavour ($why)"
echo "$flavour" >"$artifacts/flavour"

# --- what the system flavour needs -----------------------------------------------------------
triplet=$(uname -m)-linux-gnu
missing='' needed_files=''

has_file() { # has_file NAME...: the first of these files that exists is needed from now on
  for file in "$@"; do
    if [ -e "$file" ]; then
      needed_files="$needed_files$file
"
      return 0
    fi
  done
  return 1
}

# The search order is that of src/Attention.Torch/native/CMakeLists.txt.
find_libtorch() {
  libtorch=''
  if [ -n "${LIBTORCH:-}" ]; then
    [ -e "$LIBTORCH/include/ATen/ATen.h" ] && [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] ||
      fail 2 "LIBTORCH=$LIBTORCH holds no libtorch: include/ATen/ATen.h or lib/libtorch_cpu.so is missing" \
        "Point it at an unpacked libtorch, or unset it to use the system's."
    libtorch=$LIBTORCH
  elif command -v python3 >/dev/null; then
    libtorch=$(python3 -c "import importlib.util as u, os; s = u.find_spec('torch'); print(os.path.dirname(s.origin) if s and s.origin else '')" 2>>"$log") || libtorch=''
    [ -e "$libtorch/include/ATen/ATen.h" ] || libtorch=''
  fi
  if [ -n "$libtorch" ]; then
    has_file "$libtorch/lib/libtorch_cpu.so"
  else
    has_file /usr/include/ATen/ATen.h &&
      has_file "/usr/lib/$triplet/libtorch_cpu.so" /usr/lib/libtorch_cpu.so /usr/local/lib/libtorch_cpu.so
  fi
}

look_for_missing() {
  missing='' needed_files=''
  find_libtorch || missing="$missing libtorch-dev"
  # A torch package from elsewhere brings its own matrix products.
  if [ -z "$libtorch" ]; then
    has_file "/usr/lib/$triplet/openblas-openmp/libopenblas.so.0" || missing="$missing libopenblas0-openmp"
  fi
  for tool in cmake make g++; do
    path=$(command -v $tool) && has_file "$path" || missing="$missing $tool"
  done
  has_file /usr/include/jpeglib.h /usr/local/include/jpeglib.h || missing="$missing libjpeg-dev"
  has_file /usr/include/png.h /usr/local/include/png.h || missing="$missing libpng-dev"
  has_file /usr/include/webp/decode.h /usr/local/include/webp/decode.h || missing="$missing libwebp-dev"
  missing=${missing# }
}

can_be_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  command="apt-get update && apt-get install -y --no-install-recommends $missing"
  command -v apt-get >/dev/null || fail 2 "missing: $missing (the names of the Debian packages)" \
    "Install what your system calls them: libtorch (or set LIBTORCH to its folder), cmake, make, g++, libjpeg-turbo, libpng, libwebp, each with headers."
  can_be_root || fail 2 "missing: $missing" "Run as root, then start again: $command"
  say "installing $missing"
  began=$(date +%s)
  # The packages of .NET come over the network in the meantime. A failure shows again in the build.
  dotnet restore src/Attention.Cli -p:Torch=system -v q >"$artifacts/restore.log" 2>&1 &
  restore=$!
  # Several hundred packages: one sync at the end in place of one for each file halves the time.
  status=0
  # shellcheck disable=SC2086
  {
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=120 -o DPkg::Options::=--force-unsafe-io $missing && sync
  } >>"$log" 2>&1 || status=$?
  wait "$restore" || :
  if [ $status != 0 ]; then
    tail -n 5 "$log" >&2
    fail 2 "the packages could not be installed: $missing" "Read artifacts/setup.log, then run as root: $command"
  fi
  say "installed in $(seconds "$began")"
}

# Debian's libtorch takes the BLAS that "alternatives" names. OpenBLAS's other builds start a second pool of threads
# beside libtorch's, and the reference BLAS is thirty times slower.
choose_blas() {
  for name in libblas.so.3 liblapack.so.3 libopenblas.so.0; do
    link=/etc/alternatives/$name-$triplet
    wanted=/usr/lib/$triplet/openblas-openmp/$name
    [ -e "$wanted" ] && [ -e "$link" ] || continue
    if [ ! "$link" -ef "$wanted" ]; then
      command="update-alternatives --set $name-$triplet $wanted"
      # shellcheck disable=SC2086
      if can_be_root && as_root $command >>"$log" 2>&1; then
        say "$name is now OpenBLAS with OpenMP (to undo: update-alternatives --auto $name-$triplet)"
      else
        say "note: $name is a slower BLAS; to choose the fast one, run as root: $command"
        continue
      fi
    fi
    needed_files="$needed_files$link = $wanted
"
  done
}

# The native part is built against one libtorch: another one, or an update of it, wants another build.
forget_native_build() {
  native=$artifacts/native
  [ -e "$native/libattention_torch.so" ] || return 0
  if ! grep -qx "TORCH_CPU:FILEPATH=$library" "$native/CMakeCache.txt" ||
    [ -n "$(find -L "$library" -newercm "$native/libattention_torch.so")" ]; then
    say "libtorch has changed: the native part will be built again"
    rm -rf "$native" "$artifacts/system/built"
  fi
}

if [ "$flavour" = system ]; then
  look_for_missing
  if [ -n "$missing" ]; then
    install_packages
    look_for_missing
    [ -z "$missing" ] || fail 1 "still missing after installing: $missing" "Read artifacts/setup.log."
  fi
  [ -n "$libtorch" ] || choose_blas
  library=${needed_files%%libtorch_cpu.so*}libtorch_cpu.so
  library=${library##*
}
  say "libtorch: $library"
  forget_native_build
else
  if [ -z "$device" ]; then
    device=cpu
    ! nvidia-smi -L 2>/dev/null | grep -q GPU || device=cuda
  fi
  say "device: $device (--device chooses another)"
  [ "$device" = cpu ] || device=cuda-linux
  # The time of this file tells the launcher when to build again.
  [ "$(cat "$artifacts/device" 2>/dev/null)" = "$device" ] || echo "$device" >"$artifacts/device"
fi

printf '%s\n%s' "$(environment)" "$needed_files" >"$stamp"
say "ready in $(seconds "$start")"
