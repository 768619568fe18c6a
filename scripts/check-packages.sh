#!/bin/sh
# Packs the libraries and the command. Then a program outside of the repository, the examples of docs/, is built and run from the
# packages alone, and the command is installed from them as a .NET tool. No network is needed once the repository was built.
# usage: scripts/check-packages.sh [--no-build]   (--no-build packs what was built before)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/lib.sh"
case $#:${1:-} in
  0: | 1:--no-build) ;;
  *) fail 2 "unknown argument: $1" "usage: scripts/check-packages.sh [--no-build]" ;;
esac
find_dotnet
read_flavour

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
feed=$work/packages

quietly() { # quietly WHAT COMMAND...: prints what the command said where it fails
  what=$1
  shift
  echo "$what"
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
  }
}

quietly "Packing" dotnet pack "$root/Attention.sln" -c Release -o "$feed" -nologo --tl:off -v q ${1:-}
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$root/Directory.Build.props")
for id in Torch Modules Models Data Engine Cli; do
  [ -f "$feed/Attention.$id.$version.nupkg" ] || fail 1 "the package Attention.$id $version was not made" "Look at the project's IsPackable."
done

# Packages of others come from where NuGet keeps what was restored before; ours from nowhere but the feed.
others=${NUGET_PACKAGES:-$HOME/.nuget/packages}
mkdir "$work/program"
cat >"$work/nuget.config" <<XML
<configuration>
  <config><add key="globalPackagesFolder" value="$work/restored" /></config>
  <packageSources><clear /><add key="feed" value="$feed" /></packageSources>
  <fallbackPackageFolders><clear /><add key="others" value="$others" /></fallbackPackageFolders>
</configuration>
XML
libtorch=''
if [ "$flavour" = nuget ]; then
  read -r device 2>/dev/null <"$artifacts/device" || device=cpu
  torchsharp=$(sed -n "s/.*Include=\"TorchSharp-$device\" Version=\"\([^\"]*\)\".*/\1/p" "$root/Directory.Packages.props")
  libtorch="<PackageReference Include=\"TorchSharp-$device\" Version=\"$torchsharp\" />"
fi
cat >"$work/program/program.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Attention.Engine" Version="$version" />
    $libtorch
  </ItemGroup>
</Project>
XML
cp "$root"/docs/examples/*.cs "$work/program/"
quietly "Building a program from the packages" dotnet build "$work/program" -c Release -o "$work/built" -nologo --tl:off -v q
mkdir "$work/here"
cd "$work/here"
# Its tensors are too small for several threads.
export OMP_NUM_THREADS=1
quietly "Running it on rendered pictures" dotnet "$work/built/program.dll"
tail -n 3 "$work/log"

cd "$work"
quietly "Installing the tool" dotnet tool install Attention.Cli --version "$version" --tool-path "$work/tools" --configfile "$work/nuget.config"
quietly "Running that" "$work/tools/attention" --help
"$work/tools/attention" config check "$work/here/flowers.yaml"
"$work/tools/attention" doctor >"$work/log" || [ $? = 1 ] || fail 1 "the tool's doctor does not run" "$(cat "$work/log")"
grep '^libtorch' "$work/log"
echo "the packages work"
