"""Rules of the claims about photographs, practice, manifolds and the world."""

from course_utils.studies.rule import ARTICLE, BLOG, COMMENTS, Rule

RULES = (
    Rule(
        id="S1-photos",
        sentence="very close to any correctly classified image there is an incorrectly classified image",
        source=ARTICLE,
        tested="the share of correctly classified photographs with a misclassified image within an RMS distortion of "
        "0.0065, in 256 levels as a file holds it",
        ours="'very close' is not a number in the article; 0.0065 is the mean that later texts give for Szegedy's "
        "AlexNet [S]; the 256 levels are ours, and make it harder; a pilot of four photographs without them needed "
        "0.0006 to 0.0014",
        estimand="share of photographs, minimum over L-BFGS, Carlini-Wagner, DeepFool and PGD on the 256 levels",
        unit="photograph that the network names by its label (30, or as many as there are)",
        units=30,
        method="exact",
        cut=0.85,
        side="above",
        reason="'any' correctly classified image: all of them; 0.85 is ours, the most that 30 photographs can show, "
        "for with 30 of 30 the interval begins at 0.88",
        half_width=0.06,
        scope="MobileNetV2 with torchvision's weights, labelled photographs of 224 x 224 pixels",
    ),
    Rule(
        id="S3-photos",
        sentence="The changes are small and distributed across all the pixels",
        source=ARTICLE,
        tested="how many pixels carry 90 % of the energy of the shortest change of a photograph that L-BFGS finds, as "
        "a share of those that carry 90 % of Gaussian noise of the same energy, added to the same photograph and "
        "clipped",
        ours="'across all the pixels' is measured against noise, which is spread over all pixels by construction and "
        "still has 90 % of its energy in fewer; 'small' is judged in S1-photos; a change made with a limit for each "
        "pixel would be spread by construction, so the Euclidean one is taken, which is the paper's; a pixel is its "
        "three colours together",
        estimand="pixels that carry 90 % of the change's energy over pixels that carry 90 % of the noise's, mean of "
        "photographs",
        unit="photograph that the network names by its label (30, or as many as there are)",
        units=30,
        method="t",
        cut=0.5,
        side="above",
        reason="'all the pixels': 1 would be as evenly as noise; at least half as many pixels is our cut",
        half_width=0.05,
        scope="MobileNetV2, L-BFGS to a class drawn at random, photographs of 224 x 224 pixels; digits have a row of "
        "their own",
    ),
    Rule(
        id="N4",
        sentence="The same technique was then applied to the Imagenet database with similar results the following were "
        "recognized with a mean confidence of 99.12%",
        source=ARTICLE + "; Nguyen et al. 2014, figure 8: 40 images, selected from 5 evolutionary runs [P]",
        tested="of the images that one evolution of painting networks (CPPN) breeds for the 1,000 classes, one a class "
        "and none chosen, the share that the network gives to their class with 99 % or more",
        ours="a mean of selected images cannot be repeated; we ask whether one run has as many images at 99 % as the "
        "figure shows; the mean of such images is between 99 and 100 %, about the figure's. The sentence does not "
        "speak of the typical class: the median over classes is printed beside it (88.11 % reported [M]) and decides "
        "nothing",
        estimand="share of the 1,000 classes whose bred image reaches 99 %, after 5,000 generations of 400 children",
        unit="class; one run breeds all of them, so the interval speaks for other classes and not for other runs",
        units=1000,
        method="exact",
        cut=0.04,
        side="above",
        reason="'the following': the 40 images of the figure [P], of 1,000 classes",
        half_width=0.015,
        scope="MobileNetV2, one crop where the paper averages ten, the published 5,000 generations of 400 children "
        "[P], that is 2,000 images a class (20,000 passes in the paper, with its ten crops); the stored run of 80 "
        "images a class is a pilot (28 classes at 99 %) and gives no verdict",
    ),
    Rule(
        id="N5",
        sentence="some of the images that include repeats were edited to reduce the repeats and the confidence did "
        "drop",
        source=ARTICLE,
        tested="how much more log-odds of its class a bred pattern loses when half of its own repeats are painted over "
        "than when an equal area that touches none of them is",
        ours="the article compares with the unedited image only, where any damage would do; the equal area is our "
        "control, and the drop without it is printed beside; log-odds, since confidences near 0 or 1 hardly move",
        estimand="log-odds lost with repeats less log-odds lost with an equal area without, mean over patterns",
        unit="bred pattern with repeats, chosen by its likeness to itself when shifted and without asking the network",
        units=30,
        method="t",
        cut=0.0,
        side="above",
        reason="'the confidence did drop', because 'an image that includes repeated copies increases the total "
        "stimulation': more than for the loss of anything else",
        half_width=0.5,
        scope="MobileNetV2, patterns bred by evolution of painting networks on it, painted over with their mean colour",
    ),
    Rule(
        id="N6-tiles",
        sentence="the DNNs are learning low and medium level features and not making use of how these relate to one "
        "another",
        source=ARTICLE,
        tested="of photographs that keep their name when every other tile is mirrored in its place, the share of views "
        "that keep it when the tiles are shuffled",
        ours="the order of tiles stands for how features relate; mirroring in place makes seams and leaves the order, "
        "so that what breaks at the seams alone is not counted; a feature larger than a tile is cut, hence three sizes "
        "of tile. The interval over all sizes treats a photograph's three values as separate, those for each size do "
        "not; a size with fewer than three photographs left gets no interval",
        estimand="share of shuffled views that keep their name, mean over photographs",
        unit="photograph at one size of tile, 20 shuffles (30 photographs, or as many as there are, at 2 x 2, 4 x 4, 8 "
        "x 8)",
        units=90,
        method="fractions",
        cut=0.8,
        side="above",
        reason="'not making use of how these relate': disorder changes no name; the fifth that may be lost, for seams "
        "in new places, is ours",
        half_width=0.1,
        scope="MobileNetV2, photographs of 224 x 224 pixels in tiles of 112, 56 and 28",
        factor="size of tile",
    ),
    Rule(
        id="N6-field",
        sentence="the DNNs are learning low and medium level features and not making use of how these relate to one "
        "another",
        source=ARTICLE,
        tested="how much more of its accuracy LeNet-5 loses when a digit's quarters are shuffled than a network that "
        "averages the evidence of patches of 9 x 9 pixels and cannot know how they relate",
        ours="the second network makes the sentence true by construction and is the yardstick: what it loses, the "
        "seams cost; LeNet-5 may also use where a part lies in the frame, which this test does not separate from how "
        "parts relate; a pilot without the second network lost 69 points, with seams; conflicting digits are printed "
        "beside",
        estimand="accuracy lost by LeNet-5 less accuracy lost by the network of small fields, a fraction of the test "
        "digits",
        unit="pair of trainings from one seed, a LeNet-5 and a network of small fields",
        units=10,
        method="t",
        cut=0.1,
        side="below",
        reason="'not making use of how these relate': no more is lost than by a network that cannot; a tenth of the "
        "digits is our allowance",
        half_width=0.03,
        scope="LeNet-5 and a network with a receptive field of 9 pixels, MNIST, quarters of 14 x 14 pixels",
    ),
    Rule(
        id="N6-face",
        sentence="a face would be recognized if it had two eyes, nose and mouth irrespective of where they occurred in "
        "the image",
        source=ARTICLE,
        tested="whether a face whose eyes, nose and mouth are set down anywhere is named a face nearly as often as "
        "with them set back in place, or hardly more often than with scraps of other pictures in their stead",
        ours="the article's 'anywhere' is a case that it imagined; scraps are our control, since what is left of the "
        "head is itself taken for a face in part (a pilot: 42 % anywhere, 34 % with scraps, 100 % set back)",
        estimand="share taken for a face with the parts anywhere, less half of the sum of the shares with them set "
        "back and with scraps, mean over faces",
        unit="small grey face that the network takes for one, 20 draws of the places (100, or as many as there are)",
        units=100,
        method="t",
        cut=0.0,
        side="above",
        reason="'irrespective of where': as good as in place; no better than scraps is the opposite; half-way between "
        "is ours",
        half_width=0.05,
        scope="O-Net, the last network of the face detector MTCNN, faces of 25 x 25 pixels shown at 48 x 48",
    ),
    Rule(
        id="N7-imagenet",
        sentence="images bred to be classified with high confidence on one DNN seem to be classified with a high "
        "confidence by another",
        source=ARTICLE,
        tested="of the images that evolution bred on one network to 90 % or more, the share to which another network "
        "gives the same name with more than 50 %",
        ours="the article does not say that it is the same name, but a confident other name would be another error; 50 "
        "% is lenient for 'high confidence'; the share with any name at 50 % is printed beside",
        estimand="share of images that carry over, mean over ordered pairs of networks",
        unit="network of a family of its own; all ordered pairs of them (four, at least three)",
        units=4,
        method="pairs",
        cut=0.5,
        side="above",
        reason="'images bred ... seem to be classified': the ordinary bred image, so more than half of them",
        half_width=0.2,
        scope="MobileNetV2, EfficientNet-Lite0, ResNet-50 and SqueezeNet, as far as their weights can be had; "
        "evolution of painting networks; photographs with a change belong to S2",
    ),
    Rule(
        id="B0",
        sentence="those phenomenons have no impact on practical performance of convolutional neural networks",
        source=BLOG,
        tested="how far the error rises when test digits suffer everyday changes (noise, blur, contrast, JPEG, "
        "rotation) that are as large, in RMS distortion, as the network's median shortest adversarial change",
        ours="practice is read as images that nobody attacks; an attacker is practice too, but not the blog's; the "
        "change has the adversarial size, so that the phenomenon is asked for where it would be met by chance; "
        "nonsense images have no such size, and the number does not speak of them. The adversarial error, photographs "
        "and confident accidents on natural crops are printed beside",
        estimand="rise of the test error, mean over the five kinds, divided by the error on unchanged digits",
        unit="training of a LeNet-5",
        units=10,
        method="t",
        cut=1.0,
        side="below",
        reason="'no impact': the error stays what it was; less than twice the ordinary error is our cut",
        half_width=0.2,
        scope="LeNet-5, all 10,000 test digits of MNIST, each kind as strong as the distortion asks or as it can get",
    ),
    Rule(
        id="B1",
        sentence="dimensionality of the space images of the fixed 3D scene it is around 7",
        source=BLOG,
        tested="the share of camera poses at which the exact derivative of the picture has seven directions of their "
        "own",
        ours="nearly true by construction, and not counted: our camera has seven numbers, so more cannot come out; "
        "fewer can, where two numbers move the picture alike. A direction counts if one reach along it changes the "
        "picture by more than rounding to 256 levels does (0.0011); light and scene are fixed; the scenes are not "
        "drawn at random, so the interval speaks for other poses of these",
        estimand="share of poses with seven directions",
        unit="pose (100 of each of three scenes)",
        units=300,
        method="exact",
        cut=0.95,
        side="above",
        reason="'around 7': seven at nearly every pose; one pose in twenty is our allowance",
        half_width=0.02,
        scope="three rendered scenes with soft edges, a camera of three angles, three shifts and a zoom, 28 x 28 "
        "pixels",
    ),
    Rule(
        id="B1-bias",
        sentence="dimensionality of the space images of the fixed 3D scene it is around 7",
        source=BLOG,
        tested="how far estimates from pictures alone, 10,000 views of a scene with seven numbers, lie from 7",
        ours="this row is about estimators and not about scenes, and no verdict on the blog follows from it: the blog "
        "does not say that its 7 can be read off photographs; flat cubes of seven dimensions are the control beside it",
        estimand="absolute difference from 7, mean of three estimators (maximum likelihood at k = 5 and 20, TwoNN)",
        unit="draw of 10,000 views of a scene over one range of poses (ten draws, three scenes, three ranges)",
        units=90,
        method="t",
        cut=1.0,
        side="below",
        reason="'around 7': six and eight are the numbers around it; that they are the limit is ours",
        half_width=0.1,
        scope="these three rendered scenes, 28 x 28 pixels, the camera's whole reach, half and a tenth of it; other "
        "scenes are not drawn at random, so the interval speaks for other draws of views only",
        factor="range of the poses",
    ),
    Rule(
        id="B2",
        sentence="the geodesics of that manifold could be defined through the optical flow",
        source=BLOG,
        tested="whether the midpoint of the path along the exact motion field of the renderer lies at the midpoint of "
        "the geodesic between two views, by the distance between pictures, or as far from it as their blend",
        ours="the blog does not say by which distance a path is shortest; with a distance that is made from the flow, "
        "as Nagaraj and others (arXiv 1111.5108) do, the sentence is true by definition and needs no test. We take the "
        "Euclidean distance between pictures, and only pixels that are seen from both ends, for no flow knows what was "
        "hidden",
        estimand="distance of the flow's midpoint from the geodesic's over that of the blend's, mean over pairs",
        unit="pair of views drawn independently, at one of three gaps (50 pairs each)",
        units=150,
        method="t",
        cut=0.5,
        side="below",
        reason="'defined through': the two paths are one, a ratio of 0; nearer to that than to the blend, at 1, is our "
        "cut",
        half_width=0.05,
        scope="the rendered desk, 56 x 56 pixels, views 5, 15 and 50 % of the camera's reach apart",
        factor="gap between the views",
    ),
    Rule(
        id="B3",
        sentence="The images in the paper are clearly not real-world camera images, no wonder convnet assign "
        "nonsensical labels to them",
        source=BLOG,
        tested="how often a search for a nonsensical label succeeds at 95 % confidence when it may only choose among "
        "camera images: every pose of a rendered object, from a random start, to the name of another object",
        ours="the first half is granted; the second explains, and does not say that camera images are safe. We test "
        "whether the explanation suffices: what remains of the nonsense among images that a camera can take. The "
        "renderer is the judge, since judges learnt from digits accept a black page; poses whose picture another "
        "object can also make are removed by a search over its poses. The search over all pixels and images grown "
        "through learnt judges are printed beside",
        estimand="share of searches that end at a wrong name with 95 % or more",
        unit="training of a convolutional network on 50,000 views of five objects, 100 searches each",
        units=10,
        method="fractions",
        cut=0.5,
        side="below",
        reason="'no wonder': most of the nonsense needs images that no camera takes; half is ours",
        half_width=0.1,
        scope="five rendered objects of the same three parts, 28 x 28 pixels, small convolutional networks",
    ),
    Rule(
        id="B10",
        sentence="In fact camera images belong to low-dimensional manifold in the image space",
        source=BLOG,
        tested="the estimated dimension of the patches of a photograph against that of Gaussian patches with the same "
        "spectrum, which fill the space and belong to no manifold of fewer dimensions",
        ours="the blog speaks of whole images and gives no number for 'low'; patches stand for them, since one "
        "photograph is one point; the control is ours, because estimates from few points are low for dense clouds too, "
        "and this bias is named beside. A pilot of five photographs with overlapping patches: 0.3 to 0.6. Shuffled "
        "pixels and views of 20 things are printed beside",
        estimand="TwoNN's dimension of patches over that of the Gaussian control of as many, mean over photographs",
        unit="photograph (30, or as many as there are)",
        units=30,
        method="t",
        cut=0.5,
        side="below",
        reason="'not dense' would be anything below 1, 'low-dimensional' is more; half of what a dense cloud gives is "
        "ours",
        half_width=0.06,
        scope="grey patches of 12 x 12 pixels without their mean and contrast, 1,000 from each photograph in its own "
        "size, no two overlapping by more than half",
    ),
    Rule(
        id="C4",
        sentence="these deep NN models are good at classifying images regardless of the quality of the image",
        source=COMMENTS,
        tested="the accuracy on test digits of poor quality (noise, blur, low contrast, JPEG), for the worst of the "
        "four kinds",
        ours="the comment reports this as what is supposed; 'good' and the strengths are ours: noise of deviation 0.3, "
        "blur of 2 pixels, a contrast of 0.3, JPEG at quality 10; that people still read such digits is our guess, to "
        "be looked at before the run. The whole curve over strength, and people's published tolerance as far as it can "
        "be found, are printed beside",
        estimand="accuracy for the kind with the lowest, a fraction of the test digits",
        unit="training of a LeNet-5",
        units=10,
        method="t",
        cut=0.9,
        side="above",
        reason="'regardless': whatever the kind, so the worst counts; 'good': nine of ten digits, which is ours",
        half_width=0.03,
        scope="LeNet-5 trained on plain digits, 10,000 test digits of MNIST; measured together with B0, judged alone",
    ),
    Rule(
        id="A3-camera",
        sentence='A security camera, for example, could be fooled by "white noise" designed to be classified as a '
        "face.",
        source=ARTICLE,
        tested="the share of breedings that end, within 5,000 pictures judged, with coloured squares in which the "
        "whole detector sees a face in the file, after JPEG and in a larger noise",
        ours="'could' needs one success; we ask that a designer need not be lucky. Bred squares in place of climbed "
        "noise, which under its grain is the sketch of a face; a picture in which a detector of another kind sees a "
        "face, as it is or blurred, is no noise and does not count. Random squares (a pilot: 0 of 100) are the control",
        estimand="share of breedings that fool the camera",
        unit="breeding from one seed",
        units=20,
        method="exact",
        cut=0.5,
        side="above",
        reason="'could be fooled by ... designed': the design succeeds more often than not, which is ours",
        half_width=0.2,
        scope="the face detector MTCNN, whose three networks tell the attacker their probabilities; files, no lens and "
        "no print",
    ),
    Rule(
        id="A3-wallpaper",
        sentence="Perhaps the right background wallpaper could influence visual search classifiers.",
        source=ARTICLE,
        tested="how many more first hits of a visual search are lost in front of a wallpaper made for it than in front "
        "of noise",
        ours="'influence' is read as losing the right hit; the wallpaper is made with the weights known, behind other "
        "things and other views than those it is judged on; the article says 'perhaps'",
        estimand="share of views whose first hit is right in front of noise less that in front of the wallpaper, mean "
        "over things",
        unit="thing cut out of its photograph, 20 views each (20 things, or as many as there are)",
        units=20,
        method="t",
        cut=0.1,
        side="above",
        reason="'influence': more than any busy background does; one search in ten is ours",
        half_width=0.1,
        scope="a search by MobileNetV2's last features and their cosine, in the file; a print has a row of its own",
    ),
    Rule(
        id="A3-print",
        sentence="The possibilities are there waiting to be exploited.",
        source=ARTICLE,
        tested="how many more first hits of a visual search are lost in front of a wallpaper that was made for print, "
        "printed and photographed, than in front of a print of noise",
        ours="the sentence before it is about wallpaper, and what hangs on a wall is printed; print and camera are "
        "simulated, by one program for making and for judging with other draws; the wallpaper is trained through them",
        estimand="share of views whose first hit is right before printed noise less that before the print, mean over "
        "things",
        unit="thing cut out of its photograph, 20 views each (20 things, or as many as there are)",
        units=20,
        method="t",
        cut=0.1,
        side="above",
        reason="'exploited': on a wall as in the file; one search in ten is ours, as for the wallpaper in the file",
        half_width=0.1,
        scope="a search by MobileNetV2's last features and their cosine, simulated print and photograph; no real "
        "printer",
    ),
    Rule(
        id="A4",
        sentence="a driverless car could swerve dangerously to avoid something that looked nothing at all like a "
        "pedestrian is currently very possible - either by accident or design",
        source=ARTICLE,
        tested="the share of ordinary photographs with a place in which a detector of faces sees one with 95 % or "
        "more, and where there is nobody",
        ours="'by accident' only; design is the row of the camera. Faces stand for pedestrians, and no car drives; a "
        "photograph counts once, for its crops share their things. That no face is in a photograph is settled by "
        "looking before the run. A car sees thousands of images, so a share below the cut says that 60 photographs "
        "show no more, and not that it is safe; the rate for each crop is printed beside",
        estimand="share of photographs without a face that have a confident detection in 100 natural crops",
        unit="photograph without a person (60, or as many as there are)",
        units=60,
        method="exact",
        cut=0.06,
        side="above",
        reason="'very possible' is no number: 0.06 is ours, the smallest that 60 photographs without an accident can "
        "refute",
        half_width=0.05,
        scope="the face detector MTCNN, natural crops of photographs that nobody attacked",
    ),
)
