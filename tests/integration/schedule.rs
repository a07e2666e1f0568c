//! `ablate schedule`, and every sampler in training and on a checkpoint.

use crate::support::Workplace;

fn said(place: &Workplace, arguments: &[&str]) -> String {
    place.ablate(&[&["schedule"], arguments].concat()).exits(0).stdout
}

/// The text from the line that begins with some words.
fn from<'a>(text: &'a str, words: &str) -> &'a str {
    &text[text.find(&format!("\n{words}")).unwrap() + 1..]
}

fn refused(arguments: &[&str]) -> String {
    let ran = Workplace::new().ablate(&[&["schedule"], arguments].concat()).exits(2);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

#[test]
fn the_default_schedule_is_shown_without_an_experiment() {
    insta::assert_snapshot!(said(&Workplace::new(), &[]), @r#"
    linear, T = 1000, beta 1e-4 to 0.02

      t      beta  alpha_bar       SNR  log-SNR
      0  1.000e-4     0.9999      9999     9.21
    100  0.002092     0.8951     8.537     2.14
    200  0.004084     0.6563     1.910     0.65
    300  0.006076     0.3940    0.6502    -0.43
    400  0.008068     0.1936    0.2400    -1.43
    500   0.01006    0.07780   0.08436    -2.47
    599   0.01203    0.02588   0.02657    -3.63
    699   0.01402   0.006966  0.007015    -4.96
    799   0.01602   0.001532  0.001534    -6.48
    899   0.01801   2.752e-4  2.753e-4    -8.20
    999   0.02000   4.036e-5  4.036e-5   -10.12

    schedule                             alpha_bar_1  alpha_bar_T  signal left       log-SNR  steps within -6 to 6
    linear, T = 1000, beta 1e-4 to 0.02       0.9999     4.036e-5       0.64 %  9.2 to -10.1                  76 %

    ends in practically pure noise, which is what sampling starts from: 0.64 % of the signal's
      standard deviation is left.

    What the shape decides: which noise levels training sees how often, since timesteps are drawn
      evenly. It has no cost: a schedule is a table of T numbers, made once.
    linear at T = 1000: noise outweighs the image in 74 % of the timesteps; 35 % lie between log-SNR
      -2 and 2, 23 % below -6. The first that was used (Ho et al. 2020), and what most published
      networks were trained with. At 1000 steps a quarter of the chain is all but pure noise, from
      which small images have little to learn.

    What T costs: training takes the same time for any T, since a step trains each image at one
      timestep. Sampling takes sampling.steps evaluations of the network; only a full chain (sampler
      "ddpm" with sampling.steps = T) grows with T.
    "#);
}

#[test]
fn schedules_stand_side_by_side() {
    let text = said(&Workplace::new(), &["--noise-schedule", "linear,cosine", "--timesteps", "1000"]);
    for quantity in ["beta ", "\nalpha_bar ", "\nSNR ", "\nlog-SNR "] {
        assert_eq!(text.matches(quantity).count(), 1, "{quantity}");
    }
    insta::assert_snapshot!(from(&text, "log-SNR "), @r#"
    log-SNR    linear    cosine
          t  T = 1000  T = 1000
          0      9.21     10.09
        100      2.14      3.53
        200      0.65      2.17
        300     -0.43      1.30
        400     -1.43      0.60
        500     -2.47     -0.03
        599     -3.63     -0.66
        699     -4.96     -1.37
        799     -6.48     -2.27
        899     -8.20     -3.70
        999    -10.12    -19.84

    schedule          alpha_bar_1  alpha_bar_T  signal left        log-SNR  steps within -6 to 6
    linear, T = 1000       0.9999     4.036e-5       0.64 %   9.2 to -10.1                  76 %
    cosine, T = 1000       1.0000     2.429e-9      0.005 %  10.1 to -19.8                  94 %

    linear, T = 1000: ends in practically pure noise, which is what sampling starts from: 0.64 % of
      the signal's standard deviation is left.
    cosine, T = 1000: ends in practically pure noise, which is what sampling starts from: 0.005 % of
      the signal's standard deviation is left.

    What the shape decides: which noise levels training sees how often, since timesteps are drawn
      evenly. It has no cost: a schedule is a table of T numbers, made once.
    linear at T = 1000: noise outweighs the image in 74 % of the timesteps; 35 % lie between log-SNR
      -2 and 2, 23 % below -6. The first that was used (Ho et al. 2020), and what most published
      networks were trained with. At 1000 steps a quarter of the chain is all but pure noise, from
      which small images have little to learn.
    cosine at T = 1000: noise outweighs the image in 50 % of the timesteps; 56 % lie between log-SNR
      -2 and 2, 3.20 % below -6. Made for 32 and 64 pixels (Nichol and Dhariwal 2021): it spends the
      steps that linear spends on noise at levels where something is decided. Its betas end at
      0.999. Larger images would need more noise in its middle.

    What T costs: training takes the same time for any T, since a step trains each image at one
      timestep. Sampling takes sampling.steps evaluations of the network; only a full chain (sampler
      "ddpm" with sampling.steps = T) grows with T.
    "#);
}

#[test]
fn chosen_timesteps_are_shown_and_no_others() {
    let place = Workplace::new();
    let text = said(&place, &["--at", "999,0,250", "--at", "250"]);
    insta::assert_snapshot!(&text[..text.find("\n\nschedule").unwrap()], @r#"
    linear, T = 1000, beta 1e-4 to 0.02

      t      beta  alpha_bar       SNR  log-SNR
      0  1.000e-4     0.9999      9999     9.21
    250  0.005080     0.5214     1.090     0.09
    999   0.02000   4.036e-5  4.036e-5   -10.12
    "#);
    // A chain that has ended has nothing there.
    let lengths = ["--timesteps", "100,1000", "--at", "50,500"];
    let text = said(&place, &lengths);
    let block = from(&text, "SNR ");
    insta::assert_snapshot!(&block[..block.find("\n\n").unwrap()], @r"
    SNR   linear    linear
      t  T = 100  T = 1000
     50  0.07143     32.28
    500        -   0.08436
    ");
    let csv = said(&place, &[&lengths[..], &["--format", "csv"]].concat());
    let rows: Vec<String> =
        csv.lines().skip(1).map(|line| line.split(',').take(7).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(
        rows,
        [
            "linear,100,0.0001,0.02,true,false,50",
            "linear,1000,0.0001,0.02,false,false,50",
            "linear,1000,0.0001,0.02,false,false,500"
        ]
    );
    assert_eq!(
        refused(&["--timesteps", "100,1000", "--at", "50,1000"]),
        "error: --at 1000 is after the end of the longest chain, which has 1000 timesteps\n  \
         help: they count from 0: use 0 to 999\n"
    );
    assert!(refused(&["--at", "-1"]).contains("--at"));
    assert!(refused(&["--at", "half"]).contains("half"));
}

#[test]
fn a_picture_goes_to_a_file_or_a_pipe() {
    let place = Workplace::new();
    let words = ["schedule", "--noise-schedule", "linear,cosine", "--format", "png"];
    let piped = place.command(&words).output().unwrap();
    assert_eq!(piped.status.code(), Some(0));
    let picture = image::load_from_memory(&piped.stdout).unwrap();
    assert!(picture.width() > 1000 && picture.height() > 500);
    assert_eq!(place.ablate(&[&words[..], &["-o", "s.png"]].concat()).exits(0).stdout, "s.png\n");
    assert_eq!(std::fs::read(place.path("s.png")).unwrap(), piped.stdout);
    // The other formats may be written to a file too.
    place.ablate(&["schedule", "--format", "csv", "--output", "s.csv"]).exits(0);
    assert!(std::fs::read_to_string(place.path("s.csv")).unwrap().starts_with("noise_schedule,timesteps,"));
    assert_eq!(place.files(), ["s.csv", "s.png"]);
    assert_eq!(
        refused(&["--format", "png", "-o", "none/s.png"]),
        "error: there is no folder none\n  help: make it first, or name a file in another one with -o FILE\n"
    );
}

#[test]
fn chains_of_different_length_are_compared_at_the_same_part_of_the_way() {
    let text = said(
        &Workplace::new(),
        &["--timesteps", "100", "--timesteps", "1000", "-s", "diffusion.rescale_betas=false"],
    );
    insta::assert_snapshot!(from(&text, "alpha_bar "), @r#"
    alpha_bar   linear    linear
      t/(T-1)  T = 100  T = 1000
         0.00   0.9999    0.9999
         0.10   0.9879    0.8951
         0.20   0.9566    0.6563
         0.30   0.9078    0.3940
         0.40   0.8442    0.1936
         0.50   0.7693   0.07780
         0.60   0.6954   0.02588
         0.70   0.6097  0.006966
         0.80   0.5238  0.001532
         0.90   0.4409  2.752e-4
         1.00   0.3636  4.036e-5

        SNR   linear    linear
    t/(T-1)  T = 100  T = 1000
       0.00     9999      9999
       0.10    81.71     8.537
       0.20    22.04     1.910
       0.30    9.842    0.6502
       0.40    5.418    0.2400
       0.50    3.334   0.08436
       0.60    2.283   0.02657
       0.70    1.562  0.007015
       0.80    1.100  0.001534
       0.90   0.7885  2.753e-4
       1.00   0.5712  4.036e-5

    log-SNR   linear    linear
    t/(T-1)  T = 100  T = 1000
       0.00     9.21      9.21
       0.10     4.40      2.14
       0.20     3.09      0.65
       0.30     2.29     -0.43
       0.40     1.69     -1.43
       0.50     1.20     -2.47
       0.60     0.83     -3.63
       0.70     0.45     -4.96
       0.80     0.10     -6.48
       0.90    -0.24     -8.20
       1.00    -0.56    -10.12

    schedule          alpha_bar_1  alpha_bar_T  signal left       log-SNR  steps within -6 to 6
    linear, T = 100        0.9999       0.3636         60 %   9.2 to -0.6                  96 %
    linear, T = 1000       0.9999     4.036e-5       0.64 %  9.2 to -10.1                  76 %

    linear, T = 100: leaves 60 % of the signal's standard deviation at the last step. Sampling
      starts from pure noise, which this network never sees in training, so its images will be poor
      whatever else is right. rescale_betas = true leaves 0.45 %; zero_terminal_snr = true with
      prediction_type "v" leaves none. It does not cover log-SNR 6 to -6, so denoise_score and
      denoise_bits will be empty.
    linear, T = 1000: ends in practically pure noise, which is what sampling starts from: 0.64 % of
      the signal's standard deviation is left.

    What the shape decides: which noise levels training sees how often, since timesteps are drawn
      evenly. It has no cost: a schedule is a table of T numbers, made once.
    linear at T = 100: noise outweighs the image in 18 % of the timesteps; 65 % lie between log-SNR
      -2 and 2, 0 % below -6. The first that was used (Ho et al. 2020), and what most published
      networks were trained with. At 1000 steps a quarter of the chain is all but pure noise, from
      which small images have little to learn.

    What T costs: training takes the same time for any T, since a step trains each image at one
      timestep. Sampling takes sampling.steps evaluations of the network; only a full chain (sampler
      "ddpm" with sampling.steps = T) grows with T.
    "#);
}

#[test]
fn an_experiment_shows_the_schedules_of_its_variants_once_each() {
    let sweep = "[sweep.grid]\n\"diffusion.noise_schedule\" = [\"linear\", \"cosine\"]\n\
                 \"diffusion.timesteps\" = [100, 1000]\n\"model.dropout\" = [0.0, 0.1]\n";
    let place = Workplace::with("x.toml", &format!("[diffusion]\nbeta_end = 0.01\n{sweep}"));
    let summary = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.starts_with("schedule"));
        lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
    };
    let text = said(&place, &["x.toml"]);
    insta::assert_snapshot!(summary(&text).join("\n"), @r"
    schedule          alpha_bar_1  alpha_bar_T  signal left        log-SNR  steps within -6 to 6
    linear, T = 100        0.9990     0.005363       7.32 %    6.9 to -5.2                  99 %
    linear, T = 1000       0.9999     0.006302       7.94 %    9.2 to -5.1                  99 %
    cosine, T = 100        0.9994     2.429e-7      0.049 %   7.4 to -15.2                  94 %
    cosine, T = 1000       1.0000     2.429e-9      0.005 %  10.1 to -19.8                  94 %
    ");
    assert_eq!(place.files(), ["x.toml"]);
    // Flags take the place of the sweep, and keep the other settings.
    let text = said(&place, &["x.toml", "--timesteps", "50", "--format", "csv"]);
    assert_eq!(text.lines().count(), 51);
    assert!(
        text.lines().nth(1).unwrap().starts_with("linear,50,0.0001,0.01,true,false,0,0.002,0.998,"),
        "{text}"
    );
}

#[test]
fn the_csv_has_every_timestep_as_numbers() {
    let arguments = ["--noise-schedule", "sqrt,cosine", "--timesteps", "30", "--format", "csv"];
    let text =
        said(&Workplace::new(), &[&arguments[..], &["-s", "diffusion.zero_terminal_snr=true"]].concat());
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0].join(","),
        "noise_schedule,timesteps,beta_start,beta_end,rescale_betas,zero_terminal_snr,t,beta,alpha_bar,snr,log_snr"
    );
    assert_eq!(lines.len(), 1 + 2 * 30);
    assert_eq!(lines[1][..7], ["scaled_linear", "30", "0.0001", "0.02", "true", "true", "0"]);
    assert_eq!(lines[31][..7], ["cosine", "30", "", "", "", "true", "0"]);
    let mut product = 1.0;
    for (place, line) in lines[1..].iter().enumerate() {
        let [beta, alpha_bar, snr, log_snr] =
            [7, 8, 9, 10].map(|column| line[column].parse::<f64>().unwrap());
        product = if place % 30 == 0 { 1.0 - beta } else { product * (1.0 - beta) };
        assert!((alpha_bar - product).abs() < 1e-12 && (snr - alpha_bar / (1.0 - alpha_bar)).abs() < 1e-9);
        assert!(log_snr == snr.ln() || (log_snr - snr.ln()).abs() < 1e-12);
    }
    assert_eq!(lines[60][7..], ["1", "0", "0", "-inf"]);
}

#[test]
fn a_schedule_that_cannot_be_is_refused_in_full() {
    assert_eq!(
        refused(&["--timesteps", "20"]),
        "error: diffusion.timesteps = 20 rescales the last beta to 0.02 x 1000/20 = 1, and it must stay below 1\n  \
         set by -s diffusion.timesteps=20\n  \
         help: use at least 21 timesteps, a smaller diffusion.beta_end, or diffusion.rescale_betas = false\n"
    );
    assert_eq!(
        refused(&["--timesteps", "50", "-s", "diffusion.timesteps=60"]),
        "error: --timesteps and -s diffusion.timesteps=60 both set diffusion.timesteps\n  help: keep one of them\n"
    );
    let text = refused(&["--timesteps", "100000", "-s", "diffusion.rescale_betas=false"]);
    assert!(
        text.starts_with("error: diffusion: alpha_bar is ") && text.contains("rescale_betas = true"),
        "{text}"
    );
    assert!(refused(&["--noise-schedule", "linar"]).contains("'linear'"));
    assert!(refused(&["none.toml"]).contains("none.toml"));
}

#[cfg(feature = "torch")]
mod drawn {
    use std::fs;
    use std::path::Path;

    use image::GenericImageView;

    use crate::support::training::{Run, only_run, tiny};

    /// Trained for a few steps by a chain that ends in noise alone.
    const ZERO: &str = "[diffusion]\nzero_terminal_snr = true\nprediction_type = \"v\"\n";

    /// Shades in a grid; a failed sampler leaves its tiles of one.
    fn shades(path: &Path) -> usize {
        let image = image::open(path).unwrap();
        let mut found: Vec<[u8; 4]> = image.pixels().map(|(_, _, pixel)| pixel.0).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    }

    fn trained(settings: &[&str]) -> (crate::support::Workplace, Run) {
        let place = tiny(ZERO);
        let shorter = ["training.steps=4", "sampling.every=4", "evaluation.every=0", "checkpoint.every=0"];
        let mut arguments = vec!["run", "x.toml"];
        arguments.extend(shorter.iter().chain(settings).flat_map(|setting| ["-s", setting]));
        place.ablate(&arguments).exits(0);
        let run = only_run(&place);
        (place, run)
    }

    #[test]
    fn every_sampler_draws_in_training_from_a_chain_that_starts_in_noise_alone() {
        for sampler in ["ddim", "ddpm", "dpm_solver_pp", "euler", "heun"] {
            let (_place, run) = trained(&[&format!("sampling.sampler={sampler}")]);
            let grid = run.path.join("samples/step-00000004.png");
            assert!(shades(&grid) > 50, "{sampler}: {} shades", shades(&grid));
        }
    }

    #[test]
    fn every_sampler_draws_from_a_checkpoint_and_says_so() {
        let (place, run) = trained(&["sampling.eta=0.5"]);
        let path = run.path.to_str().unwrap();
        let draw = |file: &str, arguments: &[&str]| {
            let ran = place.ablate(&[&["sample", path, "-n", "4", "-o", file], arguments].concat()).exits(0);
            (fs::read(place.path(file)).unwrap(), ran.stdout)
        };
        let (own, told) = draw("own.png", &[]);
        assert!(told.contains("(ema weights, 5 steps of ddim, seed 0)"), "{told}");
        let others: [&[&str]; 8] = [
            &["--sampler", "ddpm"],
            &["--sampler", "ddpm", "--variance", "fixed_large", "--timestep-spacing", "linspace"],
            &["--sampler", "ddpm", "--steps", "1000"],
            &["--sampler", "dpm_solver_pp", "--steps", "3"],
            &["--sampler", "dpm_solver_pp", "--timestep-spacing", "linspace"],
            &["--sampler", "euler"],
            &["--sampler", "heun"],
            &["--sampler", "heun", "--timestep-spacing", "linspace"],
        ];
        let mut drawn = vec![own];
        for (number, arguments) in others.into_iter().enumerate() {
            let file = format!("{number}.png");
            let (bytes, told) = draw(&file, arguments);
            assert!(told.contains(&format!("of {}, seed 0)", arguments[1])), "{told}");
            assert!(shades(&place.path(&file)) > 20, "{arguments:?}");
            assert!(!drawn.contains(&bytes), "{arguments:?} makes no difference");
            drawn.push(bytes);
        }
        let refused =
            |arguments: &[&str]| place.ablate(&[&["sample", path], arguments].concat()).exits(2).stderr;
        assert_eq!(
            refused(&["--steps", "1001"]),
            "error: sampling.steps = 1001 is more than diffusion.timesteps = 1000\n  \
             help: a sampler visits each timestep once at most; use 1000 or fewer\n"
        );
        assert!(
            refused(&["--sampler", "ddpm", "--eta", "1"])
                .starts_with("error: sampling.eta = 1 has no effect")
        );
        let noisy = refused(&["--sampler", "ddpm", "--variance", "fixed_large"]);
        assert!(noisy.contains("would leave noise in the images"), "{noisy}");
        let small = refused(&["--eta", "2"]);
        assert_eq!(
            small,
            "error: --eta 2 is out of range\n  help: use 0 (deterministic) to 1 (as noisy as DDPM)\n"
        );
    }
}
