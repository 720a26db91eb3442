"""Tiny transformers and pipelines of diffusers with random weights.

MODELS[name]() gives (model, shape of its latent, arguments(latent, timestep)). SITES says by the
names of the modules where a model shows what is recorded: the hand-made truth.
"""

import warnings
from typing import NamedTuple

import pytest
import torch

warnings.filterwarnings("ignore")
D = pytest.importorskip("diffusers", reason="diffusers is not installed")
TEXT = 8  # tokens


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def randomized(model, seed=0):
    """All weights and biases not zero, so that a wrong tap or gate shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            values = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                scale = 0.5 if "scale_shift" in name else max(1, p[0].numel()) ** -0.5
                p.copy_(values * scale)
            else:
                p.copy_(name.endswith("weight") + 0.1 * values)
    return model.eval().requires_grad_(False)


def wan(channels=4, **more):
    model = D.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=channels,
        text_dim=16,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        **more,
    )
    return (
        model,
        (1, channels, 3, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
        ),
    )


def cogvideox(rotary=True):
    from diffusers.models.embeddings import get_3d_rotary_pos_embed

    model = D.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=16,
        num_layers=2,
        sample_width=8,
        sample_height=8,
        sample_frames=9,
        patch_size=2,
        max_text_seq_length=TEXT,
        use_rotary_positional_embeddings=rotary,
    )
    rope = get_3d_rotary_pos_embed(16, ((0, 0), (4, 4)), (4, 4), 3)
    return (
        model,
        (1, 3, 4, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            **({"image_rotary_emb": rope} if rotary else {}),
        ),
    )


def hunyuan_video():
    model = D.HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=2,
        num_single_layers=2,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        guidance_embeds=True,
        text_embed_dim=16,
        pooled_projection_dim=8,
        rope_axes_dim=(2, 4, 4),
    )

    def arguments(x, t):
        batch = x.shape[0]
        mask = torch.ones(batch, TEXT, dtype=torch.long)
        mask[:, TEXT - 2 :] = 0
        return dict(
            hidden_states=x,
            timestep=t.expand(batch),
            encoder_hidden_states=random(batch, TEXT, 16),
            encoder_attention_mask=mask,
            pooled_projections=random(batch, 8, seed=2),
            guidance=torch.full((batch,), 6000.0),
        )

    return model, (1, 4, 3, 8, 8), arguments


def hunyuan_video_15():
    model = D.HunyuanVideo15Transformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=16,
        text_embed_2_dim=8,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
        task_type="t2v",
    )

    def arguments(x, t):
        batch = x.shape[0]
        mask, mask_2 = torch.ones(batch, TEXT), torch.ones(batch, 4)
        mask[:, TEXT - 2 :] = 0
        mask_2[:, 3:] = 0
        return dict(
            hidden_states=x,
            timestep=t.expand(batch),
            encoder_hidden_states=random(batch, TEXT, 16),
            encoder_attention_mask=mask,
            encoder_hidden_states_2=random(batch, 4, 8, seed=5),
            encoder_attention_mask_2=mask_2,
            image_embeds=torch.zeros(batch, 3, 12),
        )

    return model, (1, 4, 3, 4, 4), arguments


def ltx():
    model = D.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=2,
        caption_channels=16,
    )
    return (
        model,
        (1, 3 * 4 * 4, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            encoder_attention_mask=torch.ones(x.shape[0], TEXT).bool(),
            num_frames=3,
            height=4,
            width=4,
            rope_interpolation_scale=(0.3, 32, 32),
        ),
    )


def ltx_2():
    model = D.LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        caption_channels=16,
        rope_double_precision=False,
    )
    return (
        model,
        (1, 2 * 4 * 4, 4),
        lambda x, t: dict(
            hidden_states=x,
            audio_hidden_states=random(x.shape[0], 9, 4, seed=6),
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            audio_encoder_hidden_states=random(x.shape[0], TEXT, 16, seed=7),
            num_frames=2,
            height=4,
            width=4,
            audio_num_frames=9,
            fps=25.0,
        ),
    )


def _grid(axes, height, width):
    ids = torch.zeros(height, width, axes)
    ids[..., 1] += torch.arange(height)[:, None]
    ids[..., 2] += torch.arange(width)[None]
    return ids.reshape(height * width, axes)


def flux():
    model = D.FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=8,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    return (
        model,
        (1, 16, 4),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]) / 1000,
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            pooled_projections=random(x.shape[0], 8, seed=2),
            img_ids=_grid(3, 4, 4),
            txt_ids=torch.zeros(TEXT, 3),
            guidance=torch.full((x.shape[0],), 3.5),
        ),
    )


def flux_2():
    model = D.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
    )
    return (
        model,
        (1, 16, 4),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]) / 1000,
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            img_ids=_grid(4, 4, 4)[None].expand(x.shape[0], -1, -1),
            txt_ids=torch.zeros(x.shape[0], TEXT, 4),
            guidance=torch.full((x.shape[0],), 3.5),
        ),
    )


def qwen_image():
    model = D.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    return (
        model,
        (1, 16, 16),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]) / 1000,
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            encoder_hidden_states_mask=torch.ones(x.shape[0], TEXT).long(),
            img_shapes=[[(1, 4, 4)]] * x.shape[0],
        ),
    )


def mochi():
    model = D.MochiTransformer3DModel(
        patch_size=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        pooled_projection_dim=16,
        in_channels=4,
        text_embed_dim=16,
        time_embed_dim=4,
        max_sequence_length=TEXT,
    )
    return (
        model,
        (1, 4, 2, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            encoder_attention_mask=torch.ones(x.shape[0], TEXT).bool(),
        ),
    )


def latte():
    model = D.LatteTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=24,
        attention_bias=True,
        sample_size=8,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=16,
        video_length=3,
    )
    return (
        model,
        (1, 4, 3, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            enable_temporal_attentions=True,
        ),
    )


def z_image():
    model = D.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    return (
        model,
        (1, 4, 1, 8, 8),
        lambda x, t: dict(
            x=list(x.unbind(0)),
            t=t.expand(x.shape[0]) / 1000,
            cap_feats=[random(TEXT, 16, seed=8) for _ in range(x.shape[0])],
        ),
    )


def sd3():
    model = D.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pooled_projection_dim=8,
        out_channels=4,
        pos_embed_max_size=8,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return (
        model,
        (1, 4, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]),
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            pooled_projections=random(x.shape[0], 8, seed=2),
        ),
    )


def lumina_2():
    model = D.Lumina2Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        hidden_size=24,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=8,
        cap_feat_dim=16,
        axes_dim_rope=(4, 4, 4),
        axes_lens=(64, 16, 16),
    )
    return (
        model,
        (1, 4, 8, 8),
        lambda x, t: dict(
            hidden_states=x,
            timestep=t.expand(x.shape[0]) / 1000,
            encoder_hidden_states=random(x.shape[0], TEXT, 16),
            encoder_attention_mask=torch.ones(x.shape[0], TEXT).bool(),
        ),
    )


class Site(NamedTuple):
    """A module's input (by place or name) or output (place in it, or None: the tensor itself)."""

    module: str
    argument: int | str | None = None
    output: int | None = None


class Sites(NamedTuple):
    h0: Site
    modulated: Site
    h1: Site
    first: Site  # output of the first block


_HIDDEN = "hidden_states"
_ATTENTION = Site("transformer_blocks.0.attn", _HIDDEN)
MODELS = {
    "Wan 2.1": (
        wan,
        Sites(Site("blocks.0", 0), Site("blocks.0.attn1", 0), Site("blocks.1"), Site("blocks.0")),
    ),
    "CogVideoX 5b": (
        cogvideox,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            Site("transformer_blocks.0.attn1", _HIDDEN),
            Site("transformer_blocks.1", output=0),
            Site("transformer_blocks.0", output=0),
        ),
    ),
    "CogVideoX 2b": (
        lambda: cogvideox(False),
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            Site("transformer_blocks.0.attn1", _HIDDEN),
            Site("transformer_blocks.1", output=0),
            Site("transformer_blocks.0", output=0),
        ),
    ),
    "HunyuanVideo": (
        hunyuan_video,
        Sites(
            Site("transformer_blocks.0", 0),
            _ATTENTION,
            Site("single_transformer_blocks.1", output=0),
            Site("transformer_blocks.0", output=0),
        ),
    ),
    "HunyuanVideo 1.5": (
        hunyuan_video_15,
        Sites(
            Site("transformer_blocks.0", 0),
            _ATTENTION,
            Site("transformer_blocks.1", output=0),
            Site("transformer_blocks.0", output=0),
        ),
    ),
    "LTX": (
        ltx,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            Site("transformer_blocks.0.attn1", _HIDDEN),
            Site("transformer_blocks.1"),
            Site("transformer_blocks.0"),
        ),
    ),
    "Flux": (
        flux,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            _ATTENTION,
            Site("single_transformer_blocks.1", output=1),
            Site("transformer_blocks.0", output=1),
        ),
    ),
    "Flux 2": (
        flux_2,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            _ATTENTION,
            Site("norm_out", 0),
            Site("transformer_blocks.0", output=1),
        ),
    ),
    "Qwen-Image": (
        qwen_image,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            _ATTENTION,
            Site("transformer_blocks.1", output=1),
            Site("transformer_blocks.0", output=1),
        ),
    ),
    "Mochi": (
        mochi,
        Sites(
            Site("transformer_blocks.0", 0),
            Site("transformer_blocks.0.attn1", _HIDDEN),
            Site("transformer_blocks.1", output=0),
            Site("transformer_blocks.0", output=0),
        ),
    ),
    "Latte": (
        latte,
        Sites(
            Site("transformer_blocks.0", 0),
            Site("transformer_blocks.0.attn1", 0),
            Site("norm_out", 0),
            Site("transformer_blocks.0"),
        ),
    ),
    "Z-Image": (
        z_image,
        Sites(
            Site("layers.0", 0), Site("layers.0.attention", 0), Site("layers.1"), Site("layers.0")
        ),
    ),
    "SD 3": (
        sd3,
        Sites(
            Site("transformer_blocks.0", _HIDDEN),
            _ATTENTION,
            Site("transformer_blocks.1", output=1),
            Site("transformer_blocks.0", output=1),
        ),
    ),
    "Lumina 2": (
        lumina_2,
        Sites(
            Site("layers.0", 0), Site("layers.0.attn", _HIDDEN), Site("layers.1"), Site("layers.0")
        ),
    ),
}


def make(name):
    """(model, latent's shape, arguments) with random weights, the same at every call."""
    torch.manual_seed(0)
    model, shape, arguments = MODELS[name][0]()
    return randomized(model), shape, arguments


def output_of(model, arguments):
    """The prediction as one tensor."""
    out = model(**arguments, return_dict=False)[0]
    return torch.stack(list(out)) if isinstance(out, (list, tuple)) else out


class Truth:
    """Collects, by hand-written hooks, what a recorder must have seen; `calls` of each tensor."""

    def __init__(self, model, sites):
        self.calls, self.handles = {name: [] for name in Sites._fields}, []
        for name, site in sites._asdict().items():
            module = model.get_submodule(site.module)

            def keep(value, name=name):
                self.calls[name].append(value.detach().clone())

            if site.argument is None:

                def hook(m, args, out, site=site, keep=keep):
                    keep(out if site.output is None else out[site.output])

                self.handles.append(module.register_forward_hook(hook))
            else:

                def pre_hook(m, args, kwargs, site=site, keep=keep):
                    place = site.argument
                    keep(
                        kwargs[place]
                        if isinstance(place, str)
                        else args[place]
                        if len(args) > place
                        else kwargs[_HIDDEN]
                    )

                self.handles.append(module.register_forward_pre_hook(pre_hook, with_kwargs=True))

    def remove(self):
        for handle in self.handles:
            handle.remove()

    def tensors(self):
        """{field of a row: tensor of each call}."""
        h0, h1 = self.calls["h0"], self.calls["h1"]
        return {
            "mod": self.calls["modulated"],
            "res": [b - a for a, b in zip(h0, h1)],
            "out": h1,
            "first": [b - a for a, b in zip(h0, self.calls["first"])],
        }


def sums(now, before):
    """The reference: in double throughout."""
    a, b = now.double(), before.double()
    return {"diff_l1": (a - b).abs().sum().item(), "prev_l1": b.abs().sum().item(), "n": a.numel()}


# Pipelines: (pipeline, arguments of a call).


def wan_pipeline(scheduler=None, experts=1):
    models = [randomized(wan(16)[0], seed) for seed in range(experts)]
    vae = D.AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    scheduler = scheduler or D.UniPCMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        num_train_timesteps=1000,
        flow_shift=3.0,
    )
    pipe = D.WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=vae,
        scheduler=scheduler,
        transformer=models[0],
        transformer_2=models[1] if experts > 1 else None,
        boundary_ratio=0.85 if experts > 1 else None,
    )
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=6,
        guidance_scale=5.0,
    )


def cogvideox_pipeline():
    transformer = randomized(
        D.CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=16,
            num_layers=2,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=TEXT,
            use_rotary_positional_embeddings=True,
        )
    )
    vae = D.AutoencoderKLCogVideoX(
        in_channels=3,
        out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    pipe = D.CogVideoXPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=vae,
        scheduler=D.CogVideoXDDIMScheduler(),
        transformer=transformer,
    )
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=5,
        guidance_scale=6.0,
    )


def flux_pipeline():
    pipe = D.FluxPipeline(
        scheduler=D.FlowMatchEulerDiscreteScheduler(),
        vae=None,
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        transformer=make("Flux")[0],
    )
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        pooled_prompt_embeds=random(1, 8),
        height=64,
        width=64,
        num_inference_steps=4,
        guidance_scale=3.5,
    )


def _quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generate(pipe, arguments, seed=0):
    """The latent of a call."""
    return pipe(**arguments, generator=torch.Generator().manual_seed(seed), output_type="latent")[0]


def blocks_of(model):
    """The main blocks, by the names of the lists."""
    names = (
        "blocks",
        "layers",
        "transformer_blocks",
        "temporal_transformer_blocks",
        "single_transformer_blocks",
    )
    return [block for name in names for block in getattr(model, name, ())]


def hunyuan_video_pipeline():
    pipe = D.HunyuanVideoPipeline(
        text_encoder=None,
        tokenizer=None,
        transformer=make("HunyuanVideo")[0],
        vae=None,
        scheduler=D.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder_2=None,
        tokenizer_2=None,
    )
    mask = torch.ones(1, TEXT, dtype=torch.long)
    mask[:, TEXT - 2 :] = 0
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        pooled_prompt_embeds=random(1, 8, seed=2),
        prompt_attention_mask=mask,
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=4,
        guidance_scale=6.0,
    )


def ltx_pipeline():
    pipe = D.LTXPipeline(
        scheduler=D.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, shift_terminal=0.1, base_shift=0.95, max_shift=2.05
        ),
        vae=None,
        text_encoder=None,
        tokenizer=None,
        transformer=make("LTX")[0],
    )
    mask = torch.ones(1, TEXT, dtype=torch.bool)
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        prompt_attention_mask=mask,
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        negative_prompt_attention_mask=mask,
        height=128,
        width=128,
        num_frames=17,
        num_inference_steps=4,
        guidance_scale=3.0,
    )


def qwen_image_pipeline():
    pipe = D.QwenImagePipeline(
        scheduler=D.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=None,
        text_encoder=None,
        tokenizer=None,
        transformer=make("Qwen-Image")[0],
    )
    mask = torch.ones(1, TEXT, dtype=torch.long)
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        prompt_embeds_mask=mask,
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        negative_prompt_embeds_mask=mask,
        height=64,
        width=64,
        num_inference_steps=4,
        true_cfg_scale=4.0,
    )


def mochi_pipeline():
    pipe = D.MochiPipeline(
        scheduler=D.FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
        vae=None,
        text_encoder=None,
        tokenizer=None,
        transformer=make("Mochi")[0],
    )
    mask = torch.ones(1, TEXT, dtype=torch.bool)
    return _quiet(pipe), dict(
        prompt_embeds=random(1, TEXT, 16),
        prompt_attention_mask=mask,
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        negative_prompt_attention_mask=mask,
        height=64,
        width=64,
        num_frames=7,
        num_inference_steps=4,
        guidance_scale=4.5,
    )


def latte_pipeline():
    pipe = D.LattePipeline(
        tokenizer=None,
        text_encoder=None,
        vae=None,
        transformer=make("Latte")[0],
        scheduler=D.DDIMScheduler(beta_schedule="linear", clip_sample=False),
    )
    return _quiet(pipe), dict(
        prompt=None,
        negative_prompt=None,
        prompt_embeds=random(1, TEXT, 16),
        negative_prompt_embeds=random(1, TEXT, 16, seed=9),
        height=64,
        width=64,
        video_length=3,
        num_inference_steps=4,
        guidance_scale=7.5,
        mask_feature=False,
    )


PIPELINES = {
    "Wan 2.1": wan_pipeline,
    "Wan 2.2": lambda: wan_pipeline(experts=2),
    "CogVideoX": cogvideox_pipeline,
    "HunyuanVideo": hunyuan_video_pipeline,
    "LTX": ltx_pipeline,
    "Flux": flux_pipeline,
    "Qwen-Image": qwen_image_pipeline,
    "Mochi": mochi_pipeline,
    "Latte": latte_pipeline,
}
