#!/bin/sh
# Compiles everything in the nuget flavour on a machine that cannot restore the official packages, against stand-ins:
# TorchSharp with exactly the members of its official list, ImageSharp and Microsoft.ML.Tokenizers as far as
# tests/Attention.PlainCheck declares them, the others empty. The stand-ins stay in artifacts/official, apart from NuGet's own store.
# usage: scripts/check-nuget.sh [PROJECT]   (default: the whole solution)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/scripts/lib.sh"
list=${ATTENTION_SHARED:-$root/../shared}/torchsharp/PublicAPI-0.107.txt
[ -f "$list" ] || fail 2 "the list of TorchSharp's members is missing: $list" "Set ATTENTION_SHARED to the folder that holds torchsharp/PublicAPI-0.107.txt."
find_dotnet
cd "$root"

official=$artifacts/official
export NUGET_PACKAGES="$official/packages"
mkdir -p "$official/source" "$official/feed"
echo '<Project />' | tee "$official/source/Directory.Build.props" >"$official/source/Directory.Packages.props"

pack() { # pack ID [SOURCE]: a package of the version that we ask for, made anew when its source has changed
  version=$(sed -n "s/.*<PackageVersion Include=\"$1\" Version=\"\([^\"]*\)\".*/\1/p" Directory.Packages.props)
  folder=$official/source/$1
  mkdir -p "$folder"
  if [ -f "$official/feed/$1.$version.nupkg" ] && { [ $# = 1 ] || cmp -s "$2" "$folder/Source.cs"; }; then
    return
  fi
  [ $# = 1 ] || cp "$2" "$folder/Source.cs"
  cat >"$folder/$1.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <PackageId>$1</PackageId>
    <Version>$version</Version>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
    <WarningLevel>0</WarningLevel>
  </PropertyGroup>
</Project>
XML
  rm -rf "$NUGET_PACKAGES/$(echo "$1" | tr '[:upper:]' '[:lower:]')"
  dotnet pack "$folder/$1.csproj" -o "$official/feed" -nologo --tl:off -v q -clp:ErrorsOnly >"$folder/log" || {
    cat "$folder/log" >&2
    fail 1 "the stand-in for $1 does not compile" "The lines above say where."
  }
}

echo "Making stand-ins for the official packages"
dotnet run --project tests/Attention.OfficialStub -c Release -p:Torch=system -- "$list" "$official/TorchSharp.cs"
pack TorchSharp "$official/TorchSharp.cs"
pack TorchSharp-cpu
pack SixLabors.ImageSharp tests/Attention.PlainCheck/ImageSharp.cs
pack Microsoft.ML.Tokenizers tests/Attention.PlainCheck/MicrosoftTokenizers.cs

echo "Building in the nuget flavour"
dotnet build "${1:-Attention.sln}" -c Release -p:Torch=nuget -p:TorchDevice=cpu -p:ArtifactsPath="$official/build" \
  -p:RestoreAdditionalProjectSources="$official/feed" -nologo --tl:off -v q -clp:ErrorsOnly || exit 1
echo "compiles against the official API"
