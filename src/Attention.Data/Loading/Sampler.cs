namespace Attention.Data;

/// <summary>Chooses the images of an epoch and their order, from (seed, epoch) alone.</summary>
public abstract class Sampler
{
    // Apart from every index, which keys augmentation.
    private const long OrderKey = -1;

    /// <summary>Samples of an epoch, over all ranks.</summary>
    public abstract int Count { get; }

    /// <summary>The images of an epoch. One may come several times: each time it is augmented anew.</summary>
    public int[] Order(long seed, int epoch)
    {
        var random = new SeededRandom(seed, epoch, OrderKey);
        return Draw(ref random);
    }

    protected abstract int[] Draw(ref SeededRandom random);
}

/// <summary>Every image once, as the data set lists them.</summary>
public sealed class InOrder(int images) : Sampler
{
    public override int Count => images;

    protected override int[] Draw(ref SeededRandom random) => [.. Enumerable.Range(0, images)];
}

/// <summary>Every image once, in random order.</summary>
public sealed class Shuffled(int images) : Sampler
{
    public override int Count => images;

    protected override int[] Draw(ref SeededRandom random)
    {
        int[] order = [.. Enumerable.Range(0, images)];
        random.Shuffle(order.AsSpan());
        return order;
    }
}

/// <summary>
/// Repeated augmentation (Hoffer et al., arXiv:1901.09335), as DeiT has it: an epoch keeps its length, but takes fewer images,
/// each several times in a row. Sharding hands the copies of one image to different ranks.
/// </summary>
/// <param name="images">Images of the data set.</param>
/// <param name="times">How often each image that is taken comes.</param>
public sealed class Repeated(int images, int times) : Sampler
{
    public override int Count => images;

    protected override int[] Draw(ref SeededRandom random)
    {
        int[] order = [.. Enumerable.Range(0, images)];
        random.Shuffle(order.AsSpan());
        return [.. Enumerable.Range(0, images).Select(place => order[place / times])];
    }
}

/// <summary>Images drawn with replacement, each with a probability in proportion to its weight.</summary>
public sealed class Weighted : Sampler
{
    private readonly double[] _upTo;
    private readonly int _count;

    /// <param name="weights">One for each image, not negative.</param>
    /// <param name="count">Draws of an epoch; as many as there are images by default.</param>
    /// <exception cref="UserError">A weight is negative or not a number, or all are 0.</exception>
    public Weighted(IReadOnlyList<double> weights, int? count = null)
    {
        _count = count ?? weights.Count;
        _upTo = new double[weights.Count];
        double sum = 0;
        for (int i = 0; i < weights.Count; i++)
        {
            if (!(weights[i] >= 0 && double.IsFinite(weights[i])))
                throw new UserError($"the weight of image {i} is {weights[i]}", "weights are numbers from 0 on");
            _upTo[i] = sum += weights[i];
        }
        if (!(sum > 0))
            throw new UserError("no image has a weight above 0", "give at least one image a weight");
    }

    public override int Count => _count;

    /// <summary>Weights by which all classes come equally often (power 1), or more nearly so (powers between 0 and 1).</summary>
    /// <param name="images">The images.</param>
    /// <param name="power">Each image weighs 1 / (images of its class)^power.</param>
    public static Weighted ByClass(IImageDataset images, double power = 1)
    {
        var counts = new int[images.ClassNames.Count];
        for (int i = 0; i < images.Count; i++)
            counts[images.LabelOf(i)]++;
        return new Weighted([.. Enumerable.Range(0, images.Count).Select(i => Math.Pow(counts[images.LabelOf(i)], -power))]);
    }

    protected override int[] Draw(ref SeededRandom random)
    {
        var order = new int[_count];
        for (int i = 0; i < _count; i++)
        {
            // The first image whose running sum lies above the number; equal sums belong to images of weight 0.
            double number = random.NextDouble() * _upTo[^1];
            int at = Array.BinarySearch(_upTo, number);
            at = at < 0 ? ~at : at + 1;
            while (at > 0 && _upTo[at - 1] > number)
                at--;
            while (at < _upTo.Length - 1 && _upTo[at] <= number)
                at++;
            order[i] = at;
        }
        return order;
    }
}
