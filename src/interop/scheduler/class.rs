//! The schedulers of diffusers 0.36.0 that have a sampler here, and what each of their fields must be for that.

use crate::config::{Sampler, TimestepSpacing};

/// A field, the values with which the scheduler is our sampler, as JSON, and why others are refused. The first is
/// what an absent field means.
type Fixed = (&'static str, &'static [&'static str], &'static str);

/// A scheduler.
pub(super) struct Class {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) sampler: Sampler,
    /// `beta_start` and `beta_end` where nothing is said.
    pub(super) betas: (f64, f64),
    /// `timestep_spacing` where nothing is said.
    pub(super) spacing: TimestepSpacing,
    /// `clip_sample` where nothing is said; `None`: it has no such field.
    pub(super) clip: Option<bool>,
    /// Whether it has `rescale_betas_zero_snr`.
    pub(super) rescales: bool,
    /// Fields of one value.
    pub(super) fixed: &'static [Fixed],
}

const NO_THRESHOLD: Fixed =
    ("thresholding", &["false"], "x0 is clipped at fixed values, not at those of each image");
const KARRAS: Fixed = ("use_karras_sigmas", &["false", "null"], "noise levels are those of the chain");
const EXPONENTIAL: Fixed =
    ("use_exponential_sigmas", &["false", "null"], "noise levels are those of the chain");
const BETA_SIGMAS: Fixed = ("use_beta_sigmas", &["false", "null"], "noise levels are those of the chain");
const TO_ZERO: Fixed = ("final_sigmas_type", &["\"zero\""], "the last step goes to no noise at all");

/// Every scheduler that can be imported.
pub(super) const CLASSES: &[Class] = &[
    Class {
        name: super::export::CLASS,
        sampler: Sampler::Ddpm,
        betas: (1e-4, 0.02),
        spacing: TimestepSpacing::Leading,
        clip: Some(true),
        rescales: true,
        fixed: &[NO_THRESHOLD],
    },
    Class {
        name: "DDIMScheduler",
        sampler: Sampler::Ddim,
        betas: (1e-4, 0.02),
        spacing: TimestepSpacing::Leading,
        clip: Some(true),
        rescales: true,
        fixed: &[NO_THRESHOLD],
    },
    Class {
        name: "DPMSolverMultistepScheduler",
        sampler: Sampler::DpmSolverPp,
        betas: (1e-4, 0.02),
        spacing: TimestepSpacing::Linspace,
        clip: None,
        rescales: true,
        fixed: &[
            NO_THRESHOLD,
            KARRAS,
            EXPONENTIAL,
            BETA_SIGMAS,
            TO_ZERO,
            ("solver_order", &["2"], "the solver is of second order"),
            ("algorithm_type", &["\"dpmsolver++\""], "the solver is DPM-Solver++"),
            ("solver_type", &["\"midpoint\""], "the solver uses the midpoint"),
            ("lower_order_final", &["true"], "the last step is of first order"),
            ("euler_at_final", &["false"], "the last step is of first order"),
            ("use_lu_lambdas", &["false", "null"], "noise levels are those of the chain"),
            ("use_flow_sigmas", &["false", "null"], "noise levels are those of the chain"),
            ("lambda_min_clipped", &["\"-Infinity\"", "null"], "no noise level is left out"),
            ("variance_type", &["null"], "the network predicts no variance"),
        ],
    },
    Class {
        name: "EulerDiscreteScheduler",
        sampler: Sampler::Euler,
        betas: (1e-4, 0.02),
        spacing: TimestepSpacing::Linspace,
        clip: None,
        rescales: true,
        fixed: &[
            KARRAS,
            EXPONENTIAL,
            BETA_SIGMAS,
            TO_ZERO,
            ("interpolation_type", &["\"linear\""], "noise levels between two timesteps lie on a line"),
            ("timestep_type", &["\"discrete\""], "the network is asked at timesteps"),
            ("sigma_min", &["null"], "noise levels are those of the chain"),
            ("sigma_max", &["null"], "noise levels are those of the chain"),
        ],
    },
    Class {
        name: "HeunDiscreteScheduler",
        sampler: Sampler::Heun,
        betas: (0.000_85, 0.012),
        spacing: TimestepSpacing::Linspace,
        clip: Some(false),
        rescales: false,
        fixed: &[KARRAS, EXPONENTIAL, BETA_SIGMAS],
    },
];

/// Fields of other schedulers: one that was made from another's configuration keeps them and does not look at them.
pub(super) const OF_OTHERS: &[&str] = &[
    "algorithm_type",
    "clip_sample",
    "clip_sample_range",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "euler_at_final",
    "final_sigmas_type",
    "flow_shift",
    "interpolation_type",
    "lambda_min_clipped",
    "lower_order_final",
    "predict_x0",
    "rescale_betas_zero_snr",
    "rho",
    "sample_max_value",
    "set_alpha_to_one",
    "sigma_data",
    "sigma_max",
    "sigma_min",
    "sigma_schedule",
    "skip_prk_steps",
    "solver_order",
    "solver_p",
    "solver_type",
    // Versions before 0.4 kept it for choosing between two libraries.
    "tensor_format",
    "thresholding",
    "time_shift_type",
    "timestep_type",
    // A list that versions before 0.3 worked out from the others.
    "timestep_values",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
    "variance_type",
    "use_clipped_model_output",
];
