@echo off
rem Starts Attention on Windows, with the official packages: builds what is out of date, then runs the program.
rem With an NVIDIA GPU: write cuda-windows into artifacts\device first.
setlocal
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
where dotnet >nul 2>nul || (
  echo error: the .NET 10 SDK is missing 1>&2
  echo hint: Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again. 1>&2
  exit /b 2
)
dotnet build "%~dp0src\Attention.Cli" -c Release -p:Torch=nuget -nologo --tl:off -v q -clp:ErrorsOnly 1>&2 || exit /b 1
dotnet "%~dp0artifacts\nuget\bin\Attention.Cli\release\attention.dll" %*
exit /b %errorlevel%
