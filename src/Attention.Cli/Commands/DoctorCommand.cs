using Attention.Engine.Diagnostics;

namespace Attention.Cli.Commands;

/// <summary>Says what Attention found on this machine, how fast it is, and how to mend what is wrong.</summary>
internal sealed class DoctorCommand : CliCommand
{
    private readonly JsonOption json = new();

    public DoctorCommand() : base("doctor", "Look at libtorch, BLAS, processor and devices, and measure them") => Add(json);

    public override int Run(CommandContext context)
    {
        var findings = Doctor.Examine().ToArray();
        var problems = findings.Where(finding => finding.Problem is not null).ToArray();
        var table = context.Get(json)
            ? new ResultTable(new("subject"), new("value"), new("problem"), new("remedy"))
            : new ResultTable(new("subject"), new("value"));
        foreach (var finding in findings)
            if (context.Get(json)) table.Add(finding.Subject, finding.Value, finding.Problem, finding.Remedy);
            else table.Add(finding.Subject, finding.Value);
        table.Write(context.Terminal, context.Get(json));
        if (context.Get(json)) return problems.Length == 0 ? 0 : 1;

        context.Terminal.Out.WriteLine();
        foreach (var problem in problems)
        {
            context.Terminal.Out.WriteLine($"problem: {problem.Subject}: {problem.Problem}");
            context.Terminal.Out.WriteLine($"   mend: {problem.Remedy}");
        }
        if (problems.Length == 0) context.Terminal.Out.WriteLine("all is well");
        return problems.Length == 0 ? 0 : 1;
    }
}
