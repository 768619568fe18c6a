using Attention.OfficialStub;

if (args is not [var list, var output])
{
    Console.Error.WriteLine("usage: Attention.OfficialStub LIST-OF-MEMBERS OUTPUT.cs");
    return 2;
}
File.WriteAllText(output, new StubWriter(File.ReadLines(list)).Write());
return 0;
