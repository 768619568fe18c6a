using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>Group Pose beside the recording of its authors' code.</summary>
internal sealed class GroupPoseSystem : DetrSystem
{
    // The authors' visibility of a keypoint is the sigmoid of 1.
    private static readonly float visible = (float)(1 / (1 + Math.Exp(-1)));

    private readonly GroupPose model;
    private readonly GroupPoseConfig config;

    public GroupPoseSystem(DenseRecording recording) : base(recording)
    {
        config = new GroupPoseConfig
        {
            backbone = Backbone(),
            frozen_stages = 2,
            out_indices = [.. recording.Get("config.return_interm_indices").EnumerateArray().Select(index => index.GetInt32())],
            num_classes = Whole("num_classes") - 1,
            hidden_dim = Whole("hidden_dim"),
            nheads = Whole("nheads"),
            enc_layers = Whole("enc_layers"),
            dec_layers = Whole("dec_layers"),
            dim_feedforward = Whole("dim_feedforward"),
            num_queries = Whole("num_queries"),
            num_feature_levels = Whole("num_feature_levels"),
            enc_n_points = Whole("enc_n_points"),
            dec_n_points = Whole("dec_n_points"),
            num_body_points = Whole("num_body_points"),
            num_select = Whole("num_select"),
            focal_alpha = Real("focal_alpha"),
            pe_temperatureH = Real("pe_temperatureH"),
            pe_temperatureW = Real("pe_temperatureW"),
            pre_norm = Flag("pre_norm"),
            transformer_activation = recording.Get("config.transformer_activation").GetString()!,
            learnable_tgt_init = Flag("learnable_tgt_init"),
            dec_pred_class_embed_share = Flag("dec_pred_class_embed_share"),
            dec_pred_pose_embed_share = Flag("dec_pred_pose_embed_share"),
            two_stage_class_embed_share = Flag("two_stage_class_embed_share"),
            cls_no_bias = Flag("cls_no_bias"),
            aux_loss = Flag("aux_loss"),
            cls_loss_coef = Real("cls_loss_coef"),
            keypoints_loss_coef = Real("keypoints_loss_coef"),
            oks_loss_coef = Real("oks_loss_coef"),
            interm_loss_coef = Flag("no_interm_loss") ? 0 : Real("interm_loss_coef"),
            set_cost_class = Real("set_cost_class"),
            set_cost_keypoints = Real("set_cost_keypoints"),
            set_cost_oks = Real("set_cost_oks"),
        };
        model = new GroupPose(config);
    }

    // The authors have the queries before the images.
    public override Tensor Feature(string path, Tensor found) => path.StartsWith("transformer.decoder.", StringComparison.Ordinal)
        ? found.view(found.shape[0], config.num_queries, config.num_body_points + 1, -1).transpose(0, 1) : found;

    public override nn.Module Model => model;

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var images = Batch();
        int points = config.num_body_points;
        var keypoints = Targets("keypoints", 3 * points);
        var targets = new PoseTargets(Counts(), Targets("labels").to(ScalarType.Int64), keypoints.narrow(1, 0, 2 * points).unflatten(1, points, 2),
            keypoints.narrow(1, 2 * points, points), Targets("area"));
        var modules = model.named_modules().ToDictionary(each => each.name, each => each.module);
        Tensor? states = null;
        ((nn.Module<Tensor, Tensor>)modules["transformer.enc_output_norm"]).register_forward_hook((_, _, result) =>
        {
            states = result.detach().DetachFromDisposeScope();
            return result;
        });
        var predictions = model.Predict(images);
        var (layers, encoder) = predictions;
        KeepProposals(modules, states!);

        KeepPrediction("", layers[^1]);
        for (int i = 0; i < layers.Length - 1; i++)
            KeepPrediction($"aux_outputs.{i}.", layers[i]);
        values["outputs.interm_outputs.pred_logits"] = encoder.Logits;
        values["outputs.interm_outputs.pred_keypoints"] = encoder.Keypoints.flatten(2);

        PosePrediction[] called = [layers[^1], .. layers[..^1], encoder];
        string[] suffixes = ["", .. Enumerable.Range(0, layers.Length - 1).Select(i => $"_{i}"), "_interm"];
        KeepMatchings([.. called.Select(each => model.Criterion.Costs(each, targets))], targets.Counts);
        foreach (var (each, suffix) in called.Zip(suffixes))
        {
            var (classes, distance, _) = model.Criterion.CostParts(each, targets);
            values[$"losses.set_class{suffix}"] = classes.mean();
            values[$"losses.set_keypoints{suffix}"] = distance.mean();
        }
        KeepLosses(model.Losses(predictions, targets));
        values["losses.class_error"] = ClassError(layers[^1].Logits, targets.Labels, SetMatching.Find(model.Criterion.Costs(layers[^1], targets), targets.Counts));

        foreach (var (found, i) in model.Select(layers[^1], images.originals).Select((found, i) => (found, i)))
        {
            values[$"postprocess.{i}.scores"] = found.Scores;
            values[$"postprocess.{i}.labels"] = found.Labels;
            values[$"postprocess.{i}.keypoints"] = cat([found.Keypoints, full_like(found.Keypoints.narrow(2, 0, 1), visible)], -1).flatten(1);
        }
        return values;
    }

    private void KeepPrediction(string name, PosePrediction prediction)
    {
        values[$"outputs.{name}pred_logits"] = prediction.Logits;
        // x and y of all keypoints, then their visibility.
        values[$"outputs.{name}pred_keypoints"] = cat([prediction.Keypoints.flatten(2), full_like(prediction.Keypoints.select(-1, 0), visible)], -1);
    }

    // The authors compute poses of all places before they choose.
    private void KeepProposals(Dictionary<string, nn.Module> modules, Tensor states)
    {
        const string head = "transformer.enc_pose_embed";
        for (int layer = 0; modules.TryGetValue($"{head}.layers.{layer}", out var linear); layer++)
        {
            values[$"features.{head}"] = values[$"features.{head}.layers.{layer}"] = ((nn.Module<Tensor, Tensor>)linear).call(layer == 0 ? states : states.relu());
            states = values[$"features.{head}"];
        }
    }
}
